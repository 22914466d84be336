"""DFT*: rows that wait for their classes."""

import pytest
import torch

from vdfd_seg.errors import InputError
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


def test_a_step_takes_its_rows_trains_them_alone_and_leaves_the_rest_waiting(
    first, begin, train, end
):
    _, previous = first
    step = begin(CFG, 1, previous)
    num_old, layer = step.context.num_old, step.network.decode_head.conv_seg
    new = len(layer.weight) - num_old
    for parameter, waiting in zip(step.adapter.classifier(), previous.carried["rows"], strict=True):
        assert torch.equal(parameter[num_old:], waiting[:new])
    before = layer.weight.detach().clone()
    train(step, updates=3, weight_decay=0.1, momentum=0.9)
    assert torch.equal(layer.weight[:num_old], before[:num_old])
    assert not torch.equal(layer.weight[num_old:], before[num_old:])
    for left, waiting in zip(end(step).carried["rows"], previous.carried["rows"], strict=True):
        assert torch.equal(left, waiting[new:])


def test_a_protocol_without_new_classes_is_refused(begin, domains):
    with pytest.raises(InputError, match="class-incremental"):
        begin(CFG, protocol=domains)
