"""How a step serves images and label maps: index, selection, masking, transforms."""
