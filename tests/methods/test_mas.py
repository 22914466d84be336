"""Memory aware synapses; all else of it is tested with EWC."""

import torch


def test_pixels_are_averaged_in_segmentation(begin, end):
    step = begin({"type": "MAS"})
    found = end(step).carried["importance"]["backbone.layer4.1.conv2.weight"]
    weight = step.network.backbone.layer4[1].conv2.weight
    step.network.eval()
    expected = torch.zeros_like(weight)
    for image in step.inputs.split(1):
        logits = step.network.decode_head(step.network.extract_feat(image))
        length = logits.square().sum(1).sqrt().mean()
        expected += torch.autograd.grad(length, weight)[0].abs() / len(step.inputs)
    # Merged from 0 with a half.
    assert torch.allclose(found, expected.flatten() / 2, rtol=1e-3, atol=1e-7)
