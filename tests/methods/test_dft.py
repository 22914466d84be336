"""DFT*: rows that wait for their classes."""

import pytest
import torch

from vdfd_seg.methods.common.feature_cache import pixels_of

CFG = {"type": "DFT", "iterations": 100, "lr": 0.05}


@pytest.fixture
def first(begin, train, end):
    """A first step that is over, and what it left."""
    step = begin(CFG)
    train(step)
    return step, end(step)


def test_rows_in_advance_are_negatives_wherever_a_class_is(first):
    step, previous = first
    rows, offsets = previous.carried["rows"]
    assert len(rows) == len(step.context.protocol.classes) - step.context.protocol.num_classes(0)
    features = torch.cat([pixels for pixels, _ in pixels_of(step.context, 1)])
    known, bias = step.adapter.classifier()
    best = (features @ known.T + bias).max(1).values
    assert ((features @ rows.T + offsets).max(1).values < best).all()


def test_a_step_takes_its_rows_and_leaves_the_rest_waiting(first, begin, end):
    _, previous = first
    step = begin(CFG, 1, previous)
    rows, waiting = step.adapter.classifier(), previous.carried["rows"]
    num_old, new = step.context.num_old, len(rows[0]) - step.context.num_old
    for taken, left, before in zip(rows, end(step).carried["rows"], waiting, strict=True):
        assert torch.equal(taken[num_old:], before[:new])
        assert torch.equal(left, before[new:])


def test_the_rows_follow_the_seed_whatever_was_drawn_before(first, end):
    """Workers that read images draw in their own process."""
    step, previous = first
    torch.manual_seed(0)
    again = end(step).carried["rows"]
    assert all(map(torch.equal, again, previous.carried["rows"]))
