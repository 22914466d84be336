"""The variational bound, against its formula written out position by position."""

import pytest
import torch

from vdfd_seg.distillation import VariationalBound
from vdfd_seg.errors import InputError


def prototypes(sizes=(2, 3), width=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(size, width, generator=generator) for size in sizes]


def outputs(shape, seed):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def written_out(bound, new, old):
    """A loop over tasks and positions with the precision matrices formed."""
    latents = bound.precision_model()
    positions = (new - old).double().movedim(1, -1).flatten(0, -2)
    total, start = 0.0, 0
    for task, size in enumerate(bound.sizes):
        rows = latents[task, :size].double()
        precision = rows @ rows.t()
        moved = positions[:, start : start + size]
        total += sum(d @ precision @ d for d in moved) / len(moved)
        total -= torch.logdet(precision + bound.eps * torch.eye(size, dtype=torch.float64))
        start += size
    return total


def test_identity_is_the_squared_distance_summed_over_classes_and_averaged_over_positions():
    bound = VariationalBound(prototypes(), precision="identity")
    new = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [0.0, 0.0], [3.0, 0.0], [0.0, 1.0]]])
    assert bound(new, torch.zeros_like(new)) == pytest.approx((1 + 9 + 4 + 1) / 2)


@pytest.mark.parametrize("shape", [(6, 5), (2, 5, 3, 4)])
def test_gcn_equals_the_formula(shape):
    torch.manual_seed(0)
    bound = VariationalBound(prototypes())
    new, old = outputs(shape, 1), outputs(shape, 2)
    assert bound(new, old).item() == pytest.approx(written_out(bound, new, old).item(), rel=1e-4)


def test_bfloat16_outputs_are_compared_in_float32():
    bound = VariationalBound(prototypes(), precision="identity")
    new = torch.full((1, 5), 1.0, dtype=torch.bfloat16)
    with torch.autocast("cpu", torch.bfloat16):
        assert bound(new, torch.full((1, 5), 1.001)).item() == pytest.approx(5e-6, rel=1e-2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"prototypes": []}, "at least one old task"),
        ({"precision": "full"}, "'full'"),
        ({"eps": 0.0}, "eps must be positive"),
        ({"prototypes": [torch.ones(2, 3), torch.ones(2, 4)]}, r"lengths \[3, 4\]"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        VariationalBound(**{"prototypes": prototypes(), **options})
