"""How a step serves images and class labels from arrays in memory."""
