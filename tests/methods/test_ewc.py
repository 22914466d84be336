"""Elastic weight consolidation, and what it shares with MAS and SI: estimators and penalty."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F

from tests.methods.plain import body, images_of, importances
from vdfd_seg.utils.seeding import derived_seed


def nll(logits):
    """Minus the log-probability of the predicted class."""
    log = F.log_softmax(logits, 0)
    return -log[log.argmax()]


def length(logits):
    return logits.square().sum().sqrt()


OF_GRADIENTS = {"EWC": (nll, torch.square), "MAS": (length, torch.abs)}
"""What is differentiated, and what is averaged of the gradient."""


@pytest.fixture
def after(successor, train, tiny_classification):
    """The second step, trained; with the state of the first."""

    def make(scenario="task", network=None, name="EWC", **options):
        data = tiny_classification(scenario, each=5)
        step = successor({"type": name, **options}, data=data, **(network or {}))
        train(step, lr=0.01)
        return step, step.previous

    return make


def close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.max() > 0
        assert torch.allclose(found[name], value, rtol=1e-3, atol=1e-7 * value.max()), name


@pytest.mark.parametrize("name", OF_GRADIENTS)
@pytest.mark.parametrize(
    ("scenario", "network", "columns", "images"),
    [
        ("task", {}, [2, 3], None),
        ("class", {}, [2, 3], None),
        ("class", {"label_trick": False}, [0, 1, 2, 3], None),
        # A class's logit is that of the image as it is.
        ("task", {"rotations": True}, [8, 12], None),
        # A limit spreads the images.
        ("task", {}, [2, 3], 2),
    ],
)
def test_by_image_is_that_of_a_loop(after, name, scenario, network, columns, images):
    step, _ = after(scenario, network, name, estimator="image", images=images)
    samples = step.context.samples
    chosen = [samples[0], samples[len(samples) // 2]] if images else samples
    value, reduce = OF_GRADIENTS[name]
    found = step.method.estimate(step.context)
    inputs = images_of(step.data, chosen)
    close(found, importances(step.network, inputs, lambda z: value(z[columns]), reduce, False))


def shuffled(step, size):
    """The whole batches of a step's images that FACIL's estimator takes."""
    draw = torch.Generator().manual_seed(derived_seed(step.context.seed, "importance"))
    order = torch.randperm(len(step.context.samples), generator=draw).tolist()
    images = list(images_of(step.data, step.context.samples))
    starts = range(0, max(len(order) - size, 0) + 1, size)
    return [torch.cat([images[i] for i in order[start : start + size]]) for start in starts]


@pytest.mark.parametrize("name", OF_GRADIENTS)
@pytest.mark.parametrize(
    ("scenario", "trick", "size", "images", "batches"),
    # Two classes of five images: the last incomplete batch is dropped, unless it is the only.
    [
        ("task", True, 3, None, 3),
        ("class", True, 4, None, 2),
        ("class", False, 10, None, 1),
        ("task", True, 64, None, 1),
        # A limit is rounded up to whole batches.
        ("task", True, 2, 3, 2),
    ],
)
def test_facils_is_that_of_its_loop(after, name, scenario, trick, size, images, batches):
    step, _ = after(scenario, {"label_trick": trick}, name, batch_size=size, images=images)
    found = step.method.estimate(step.context)
    inputs = shuffled(step, size)
    assert len(inputs) == batches or images
    network = deepcopy(step.network)
    close(found, importances(network, inputs[:batches], *OF_GRADIENTS[name], True))


@pytest.mark.parametrize(("name", "facil", "image"), [("EWC", 5000, 1000), ("MAS", 1, 2)])
def test_the_estimator_follows_the_problem_and_the_weight_the_estimator(
    begin, tiny_classification, name, facil, image
):
    data = tiny_classification()
    for cfg, where, expected in (
        ({}, {"data": data}, ("facil", facil)),
        ({"estimator": "image"}, {"data": data}, ("image", image)),
        ({"weight": 3}, {"data": data}, ("facil", 3)),
        ({}, {}, ("image", image)),
    ):
        method = begin({"type": name, **cfg}, **where).method
        assert (method.estimator, method.weight) == expected


def test_the_running_fisher_is_carried_flat_and_does_not_grow(after, end):
    step, previous = after(alpha=0.3)
    new, before = step.method.estimate(step.context), previous.carried["importance"]
    carried = end(step).carried["importance"]
    assert carried.keys() == before.keys()
    for name, value in carried.items():
        assert torch.allclose(value, 0.3 * before[name] + 0.7 * new[name].flatten())


def test_value_and_gradient_of_the_penalty_by_hand(after):
    step, previous = after(weight=10.0)
    step.learner.zero_grad()
    loss = step.method.extra_losses(step.adapter, None, None)["loss_ewc"]
    loss.backward()
    total = 0.0
    for name, parameter in body(step.network).items():
        importance = previous.carried["importance"][name].view(parameter.shape)
        moved = parameter.detach() - previous.state[name]
        total += (importance * moved**2).sum().item()
        assert torch.allclose(parameter.grad, 10 * importance * moved, atol=1e-9), name
    assert loss.item() == pytest.approx(5 * total, rel=1e-4)
    assert total > 0
    assert all(head.weight.grad is None for head in step.network.heads)


def test_pixels_are_averaged_in_segmentation_by_mas(begin, end):
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
