"""SegACIL: step by step as one regression."""

import pytest
import torch

from vdfd_seg.methods.common.feature_cache import pixels_of


@pytest.fixture
def steps(begin, end):
    """Two steps, with every pixel that each saw."""

    def run(**options):
        cfg, previous, found = {"type": "SegACIL", **options}, None, []
        for number in (0, 1):
            step = begin(cfg, number, previous)
            pixels = [torch.cat(parts) for parts in zip(*pixels_of(step.context, 1), strict=True)]
            previous = end(step)
            found.append((step, previous, pixels))
        return found

    return run


def test_two_steps_are_one_regression_over_the_pixels_of_both(steps):
    (_, _, first), (step, last, second) = steps(confidence=2.0, ridge=0.5)
    features = torch.cat([first[0], second[0]]).double()
    labels = torch.cat([first[1], second[1]])
    kept = labels != 255
    x = torch.cat([features, torch.ones(len(features), 1)], 1)[kept]
    y = torch.eye(step.context.protocol.num_classes(1), dtype=torch.float64)[labels[kept]]
    # Ridge regression as ordinary least squares with sqrt(ridge) times the unit matrix below.
    size = x.shape[1]
    below = 0.5**0.5 * torch.eye(size, dtype=torch.float64)
    solution = torch.linalg.lstsq(
        torch.cat([x, below]), torch.cat([y, y.new_zeros(size, y.shape[1])])
    ).solution
    rows = last.state["decode_head.conv_seg.weight"].flatten(1)
    assert torch.allclose(rows, solution[:-1].T.float(), atol=1e-4)
    assert torch.allclose(last.state["decode_head.conv_seg.bias"], solution[-1].float(), atol=1e-4)
