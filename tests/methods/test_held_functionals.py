"""The trial that holds functionals of the weights: they are the gradients, and stay."""

import pytest
import torch

from tests.guides import shown
from vdfd_seg.methods.common.importance import penalised
from vdfd_seg.registry import METHODS

PAGE, MODULE, NAME = "../notes/trials.md", "held", "Held"


@pytest.fixture(scope="module", autouse=True)
def page(tmp_path_factory):
    with shown(PAGE, tmp_path_factory.mktemp("held"), MODULE, METHODS.module_dict, NAME):
        yield


@pytest.fixture
def first(begin, train, end, tiny_classification):
    """A finished first step, and what it carries."""

    def make(**options):
        data = tiny_classification("task")
        step = begin({"type": NAME, **options}, data=data)
        train(step)
        return step, end(step), data

    return make


@pytest.fixture
def second(first, begin, train):
    """A trained second step, the change of its weights, and what it was to hold."""

    def make(**options):
        _, carried, data = first(**options)
        step = begin({"type": NAME, **options}, 1, carried, data=data)
        start = weights(step)
        train(step, 3)
        return step, weights(step) - start, carried.carried

    return make


def weights(step):
    return torch.cat([p.detach().flatten().clone() for p in penalised(step.adapter).values()])


def test_rows_are_gradients(first):
    """A small step along a row changes a class's mean logit by as much as the row says."""
    step, carried, _ = first(of="classes")
    step.network.eval()
    labels = step.samples.labels
    size = step.network.head_sizes[0]
    rows = carried.carried["rows"].float() * carried.carried["norms"].float()[:, None]
    assert len(rows) == size * size
    for row, (of, at) in zip(rows, torch.cartesian_prod(*2 * [torch.arange(size)]), strict=True):
        values = []
        for length in (1e-2, -1e-2):
            shift = length * row / row.norm()
            with torch.no_grad():
                parts = shift.split([p.numel() for p in penalised(step.adapter).values()])
                for p, part in zip(penalised(step.adapter).values(), parts, strict=True):
                    p.add_(part.view_as(p))
                values.append(step.adapter.logits(step.inputs[labels == of])[:, at].mean())
                for p, part in zip(penalised(step.adapter).values(), parts, strict=True):
                    p.sub_(part.view_as(p))
        assert float(values[0] - values[1]) / 2e-2 == pytest.approx(float(row.norm()), rel=0.02)


@pytest.mark.parametrize(
    "options", [{}, {"filters": True}, {"random": True}, {"of": "images", "rank": 3}]
)
def test_what_is_held_does_not_change(second, options):
    _, change, carried = second(**options)
    assert change.norm() > 1e-3
    assert (carried["rows"].float() @ change).abs().max() < 1e-3 * change.norm()


def test_functionals_of_filters_say_the_same_of_all_their_weights(first):
    step, carried, _ = first(filters=True)
    name, weight = max(penalised(step.adapter).items(), key=lambda item: item[1].numel())
    parts = carried.carried["rows"].split([p.numel() for p in penalised(step.adapter).values()], 1)
    own = parts[list(penalised(step.adapter)).index(name)].view(-1, len(weight), weight[0].numel())
    assert torch.equal(own, own[:, :, :1].expand_as(own))


def test_the_sketch_has_the_trace_of_the_fisher_information(first):
    """With directions for every image nothing is left out: sums of squares agree."""
    step, carried, _ = first(of="images", rank=1000)
    step.network.eval()
    size = step.network.head_sizes[0]
    squares = []
    for image in step.inputs.split(1):
        surprise = step.adapter.logits(image)[:, :size].log_softmax(1).amax()
        gradients = torch.autograd.grad(surprise, list(penalised(step.adapter).values()))
        squares.append(sum(g.square().sum() for g in gradients))
    found = carried.carried["norms"].square().sum()
    assert float(found) == pytest.approx(float(torch.stack(squares).mean()), rel=1e-3)


def test_the_penalty_is_what_it_says(second, losses_of):
    step, change, carried = second(weight=3.0)
    rows = carried["rows"].float() * carried["norms"].float()[:, None]
    expected = 1.5 * (rows @ change).square().sum()
    found = losses_of(step)["loss_held"].detach()
    assert float(found) == pytest.approx(float(expected), rel=1e-3)
    assert expected > 0
