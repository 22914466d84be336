"""DKD against plain loops over positions, from the old network itself."""

import math

import pytest
import torch

from tests.methods.plain import softplus
from vdfd_seg.models import SegmentationAdapter

OLD, ALL = 3, 5


@pytest.fixture
def second(taught, two_and_two):
    """A second step with two old and two new classes, and the network of the first."""

    def make(updates=2, **options):
        step, teacher = taught({"type": "DKD", **options}, two_and_two, updates)
        return step, SegmentationAdapter(teacher)

    return make


def sigmoid(value):
    return 1 / (1 + math.exp(-value))


def parts(adapter, step):
    """Logit, positive and negative part of each old class at each position, summed one by one."""
    layer = adapter.network.decode_head.conv_seg
    weight, bias = layer.weight.detach().flatten(1).double(), layer.bias.detach().double()
    with torch.no_grad():
        embedding = adapter.outputs(step.inputs).embedding.double()
    found = []
    for x in embedding.movedim(1, -1).flatten(0, 2):
        for c in range(1, OLD):
            products = (weight[c] * x).tolist()
            # Features follow a ReLU: the sign of a product is that of the weight.
            plus = sum(p for p, w in zip(products, weight[c], strict=True) if w > 0)
            minus = sum(p for p, w in zip(products, weight[c], strict=True) if w < 0)
            found.append((plus + minus + bias[c].item(), plus, minus))
    return found


def test_losses_are_the_plain_reference(second, losses_of):
    step, old = second(kd_weight=2.0, dkd_weight=3.0)
    losses = losses_of(step)
    step.learner.eval()
    new, before = parts(step.adapter, step), parts(old, step)
    sums = [0.0, 0.0, 0.0]
    for ours, theirs in zip(new, before, strict=True):
        for i in range(3):
            q = sigmoid(theirs[i])
            sums[i] += q * softplus(-ours[i]) + (1 - q) * softplus(ours[i])
    positions = len(new) / (OLD - 1)
    # The cache is in half precision.
    assert losses["loss_kd"].item() == pytest.approx(2 * sums[0] / positions, rel=1e-3)
    expected = 3 * (sums[1] + sums[2]) / positions
    assert losses["loss_dkd"].item() == pytest.approx(expected, rel=1e-3)


def test_the_loss_of_the_auxiliary_row_is_the_plain_reference(begin, train, losses_of):
    step = begin({"type": "DKD", "auxiliary_lr": 0.3})
    assert step.method.optimizer.param_groups[0]["lr"] == 0.3
    train(step)
    step.learner.eval()
    loss = losses_of(step)["loss_ac"]
    with torch.no_grad():
        features = step.adapter.outputs(step.inputs).embedding
        features = torch.nn.functional.interpolate(features, (32, 32), mode="bilinear")
    weight, bias = step.method.auxiliary.weight[0], step.method.auxiliary.bias[0]
    scores = torch.einsum("nchw,c->nhw", features, weight) + bias
    labelled = step.adapter.labels(step.samples) != 255
    expected = torch.nn.functional.softplus(scores)[labelled].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    # Features and classes get no gradient of it.
    step.learner.zero_grad()
    loss.backward()
    assert all(p.grad is None for p in step.network.parameters())
    assert step.method.auxiliary.bias.grad.abs() > 0
