"""STAR against its formulas written plainly, from the old network itself."""

import math

import pytest
import torch
import torch.nn.functional as F

from tests.methods.plain import softplus
from vdfd_seg.methods import build_method
from vdfd_seg.models import SegmentationAdapter

OLD, ALL, SAMPLES = 3, 5, 4


@pytest.fixture
def second(taught, two_and_two):
    """A second step with two old and two new classes, and the network of the first."""

    def make(**options):
        cfg = {"type": "STAR", "num_samples": SAMPLES, **options}
        step, teacher = taught(cfg, two_and_two)
        return step, SegmentationAdapter(teacher)

    return make


def middles(step, size):
    """The labels in the middle of the cells of maps with so many rows and columns."""
    labels = torch.stack([sample.gt_sem_seg.data[0] for sample in step.samples])
    cell = labels.shape[-1] // size
    return labels[:, cell // 2 :: cell, cell // 2 :: cell]


def moments(vectors):
    """Mean and standard deviation, each entry apart."""
    mean = sum(vectors) / len(vectors)
    return mean, (sum((v - mean) ** 2 for v in vectors) / len(vectors)).sqrt()


def collect(adapter, step, kinds):
    """The features of each label's positions."""
    with torch.no_grad():
        features = adapter.outputs(step.inputs).embedding.double()
    labels = middles(step, features.shape[-1])
    return {kind: features.movedim(1, -1)[labels == kind] for kind in kinds}


def test_what_is_carried_describes_the_features_of_each_class(begin, train, end, two_and_two):
    step = begin({"type": "STAR"}, protocol=two_and_two)
    train(step)
    carried = end(step).carried
    found = collect(step.adapter, step, range(OLD))
    assert carried["counts"].tolist() == [len(found[kind]) for kind in range(OLD)]
    for kind in (1, 2):
        directions = [f / f.norm() for f in found[kind]]
        mean, _ = moments(directions)
        prototype = mean / mean.norm()
        noise = (sum((u - prototype) ** 2 for u in directions) / len(directions)).sqrt()
        norms = torch.stack(moments([f.norm() for f in found[kind]]))
        for key, value in (("prototypes", prototype), ("noise", noise), ("norms", norms)):
            assert torch.allclose(carried[key][kind - 1].double(), value, rtol=1e-3, atol=1e-5), key


def test_a_later_step_adds_its_classes(second, end):
    step, _ = second()
    before = step.context.carried
    carried = end(step).carried
    for key, value in before.items():
        assert torch.equal(carried[key][: len(value)], value)
        assert len(carried[key]) == len(value) + 2
    found = collect(step.adapter, step, (3, 4))
    assert carried["counts"][OLD:].tolist() == [len(found[3]), len(found[4])]
    assert step.method.cache is None and not step.method.classes


def test_a_class_is_missing_by_as_many_positions_as_the_old_network_does_not_find(second):
    step, old = second()
    with torch.no_grad():
        predicted = old.logits(step.inputs).argmax(1)
    labels = middles(step, predicted.shape[-1])
    background, labelled = predicted[labels == 0], (labels != 255).sum().item()
    expected = []
    for kind, count in enumerate(step.context.carried["counts"].tolist()):
        expected.append(max(count - (background == kind).sum().item(), 0) / labelled)
    assert max(expected) > 0
    assert step.method.missing.tolist() == pytest.approx(expected)


def replayed_loss(step, seed):
    """The mean loss of each old class's replayed features, one feature after another."""
    state, layer = step.context.carried, step.network.decode_head.conv_seg
    weight, bias = layer.weight.detach().flatten(1), layer.bias.detach()
    torch.manual_seed(seed)
    noise = torch.randn(SAMPLES, OLD - 1, weight.shape[1])
    lengths = torch.randn(SAMPLES, OLD - 1)
    losses = []
    for kind in range(OLD - 1):
        total = 0.0
        for n in range(SAMPLES):
            mean, deviation = state["norms"][kind]
            feature = state["prototypes"][kind] + state["noise"][kind] * noise[n, kind]
            feature = feature * (mean + deviation * lengths[n, kind])
            total += sum(softplus((weight[c] @ feature + bias[c]).item()) for c in range(OLD, ALL))
        losses.append(total / SAMPLES)
    return losses


def test_losses_are_the_plain_reference(second, losses_of):
    step, old = second(pos_weight=3.0, pkd_weight=2.0, cont_weight=0.001)
    # What the tiny batch leaves to chance.
    step.method.missing = torch.tensor([0.5, 0.25, 2.0])
    losses = losses_of(step)
    step.learner.eval()
    with torch.no_grad():
        new, before = step.adapter.outputs(step.inputs), old.outputs(step.inputs)
    large = F.interpolate(new.logits, (32, 32), mode="bilinear")
    best = F.interpolate(before.logits[:, 1:].amax(1, keepdim=True), (32, 32), mode="bilinear")
    labels, pixels = step.adapter.labels(step.samples), 0
    for kind in range(OLD, ALL):
        own, other = 3 * F.softplus(-large[:, kind]), F.softplus(large[:, kind])
        pixels = pixels + torch.where(labels == kind, own, other)
    background = (labels == 0) & (best[:, 0] <= 0)
    assert background.any()
    fake = replayed_loss(step, 1)
    total = pixels[labels != 255].mean().item() + 0.5 * pixels[background].mean().item()
    total = (total + 0.25 * fake[0] + 2 * fake[1]) / (1 + 0.5 + 0.25 + 2)
    # The cache is in half precision.
    assert losses["decode.loss_mbce"].item() == pytest.approx(total, rel=1e-3)

    x, y = (each.embedding.movedim(1, -1) for each in (new, before))
    labels = middles(step, x.shape[1])
    kept = (labels == 0) & (before.logits[:, 1:].amax(1) > 0)
    expected = 2 * (x - y)[kept].square().mean().item()
    assert losses["loss_pkd"].item() == pytest.approx(expected, rel=2e-2, abs=1e-6)
    apart = []
    for kind in (3, 4):
        centre = sum(feature / feature.norm() for feature in x[labels == kind])
        centre = centre / centre.norm()
        nearest = min((centre - p).norm().item() for p in step.context.carried["prototypes"])
        apart.append(1 / max(nearest, 0.01))
    assert losses["loss_cont"].item() == pytest.approx(0.001 * sum(apart) / 2, rel=1e-3)


def test_closeness_by_hand():
    """Class 3 lies at (3/5, 4/5), 4 at (-1, 0): nearest to class 2, or, without it, to class 1."""
    method = build_method({"type": "STAR"})
    method.num_old = 3
    method.classes = {"prototypes": torch.eye(2), "counts": torch.tensor([9.0, 4.0, 4.0])}
    features = torch.tensor([[[[3.0, 0.6, -2.0, 7.0]], [[4.0, 0.8, 0.0, 7.0]]]])
    labels = torch.tensor([[[3, 3, 4, 0]]])
    for count, nearest in (
        (4, [math.hypot(0.6, 0.2), math.hypot(1, 1)]),
        (0, [math.hypot(0.4, 0.8), 2.0]),
    ):
        method.classes["counts"][2] = count
        found = method.closeness(features, labels, 5)
        assert found.item() == pytest.approx(sum(1 / d for d in nearest) / 2)
    # Where a class lies on an old one.
    found = method.closeness(torch.tensor([[[[2.0]], [[0.0]]]]), torch.tensor([[[3]]]), 5)
    assert found.item() == pytest.approx(100)
