"""Memory aware synapses; FACIL's estimator, merging and the penalty are tested with EWC's."""

import pytest
import torch

from tests.methods.plain import images_of, mean_of_gradients


@pytest.mark.parametrize(("scenario", "trick"), [("task", True), ("class", True), ("class", False)])
def test_importances_are_those_of_a_loop_over_images(
    begin, train, end, tiny_classification, scenario, trick
):
    data, cfg = tiny_classification(scenario), {"type": "MAS", "alpha": 0.3, "estimator": "image"}
    first = begin(cfg, data=data, label_trick=trick)
    train(first)
    previous = end(first)
    step = begin(cfg, 1, previous, data=data, label_trick=trick)
    train(step, lr=0.01)
    columns = [2, 3] if trick else [0, 1, 2, 3]
    expected = mean_of_gradients(
        step.network,
        images_of(data, step.context.samples),
        lambda logits: logits[columns].square().sum().sqrt(),
        torch.abs,
    )
    carried = end(step).carried["importance"]
    assert carried.keys() == expected.keys()
    for name, value in expected.items():
        assert value.max() > 0
        old = previous.carried["importance"][name]
        merged = 0.3 * old + 0.7 * value.flatten()
        assert torch.allclose(carried[name], merged, rtol=1e-3, atol=1e-7), name


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
