"""The memory's storage: exact compression, plain tensors, refusal of other networks."""

import pytest
import torch

from tests.distillation.test_loss import problem
from vdfd_seg.distillation import (
    GradientMemory,
    MemoryMismatchError,
    VariationalDistillationLoss,
    penalisable_parameters,
)
from vdfd_seg.distillation.memory import truncated_svd
from vdfd_seg.errors import InputError
from vdfd_seg.models.preact_resnet import PreActResNet18


def test_saves_plainly_and_loads_with_weights_only(tmp_path):
    _, params, memories = problem(double=False, classifier=True)
    states = [memory.to_state() for memory in memories]
    torch.save(states, tmp_path / "memory.pth")
    loaded = torch.load(tmp_path / "memory.pth", weights_only=True)
    again = [GradientMemory.from_state(state) for state in loaded]
    torch.manual_seed(0)
    expected = VariationalDistillationLoss(memories, params)()
    torch.manual_seed(0)
    assert torch.equal(VariationalDistillationLoss(again, params)(), expected)
    assert again[0].nbytes == memories[0].nbytes and again[0].numbers == memories[0].numbers
    of_classifier = sum(
        v.numel() for v in (memories[0].classifier or {}).values() if hasattr(v, "numel")
    )
    factors = [*memories[0].left.values(), *memories[0].right.values(), memories[0].prototypes]
    assert memories[0].numbers == sum(f.numel() for f in factors) + 3 + of_classifier


def test_refuses_by_name():
    _, params, memories = problem(classifier=True)
    memory = memories[0]
    memory.check(params)
    less = {name: p for name, p in params.items() if name != "linear.weight"}
    with pytest.raises(MemoryMismatchError, match="'linear.weight', which the network lacks"):
        memory.check(less)
    more = {**params, "extra.weight": torch.zeros(3)}
    with pytest.raises(MemoryMismatchError, match="'extra.weight' is not covered"):
        memory.check(more)
    wrong = {**params, "up.weight": torch.zeros(8, 4, 3, 3)}
    with pytest.raises(MemoryMismatchError, match=r"'up.weight' has shape \(8, 4, 3, 3\)"):
        memory.check(wrong)
    short = {**params, "head.weight": torch.zeros(1, 10, 1, 1)}
    with pytest.raises(MemoryMismatchError, match="'head.weight' has 1 rows"):
        memory.check(short)
    headless = {name: p for name, p in params.items() if not name.startswith("head")}
    with pytest.raises(MemoryMismatchError, match="classifier's 'head.weight'"):
        memory.check(headless)
    assert issubclass(MemoryMismatchError, InputError)


def test_refuses_another_version_and_missing_entries():
    state = problem()[2][0].to_state()
    with pytest.raises(InputError, match="version 0"):
        GradientMemory.from_state({**state, "version": 0})
    del state["outputs"]
    with pytest.raises(InputError, match="'outputs'"):
        GradientMemory.from_state(state)


@pytest.mark.parametrize("shape", [(7, 4), (1, 5), (3, 9), (6, 1)])
def test_truncated_svd_is_exact_and_deterministic(shape):
    matrix = torch.randn(shape, dtype=torch.float64)
    for rank in range(1, 10):
        left, right = truncated_svd(matrix, rank)
        kept = min(rank, *shape)
        assert left.shape == (shape[0], kept) and right.shape == (kept, shape[1])
        rest = torch.linalg.svdvals(matrix)[kept:].norm()
        torch.testing.assert_close((matrix - left @ right).norm(), rest, rtol=1e-6, atol=1e-12)
        # The sign is fixed by the left vector alone, whatever sign the decomposition came with.
        assert (left.gather(0, left.abs().argmax(0, keepdim=True)) > 0).all()
        again = truncated_svd(matrix.clone(), rank)
        assert torch.equal(left, again[0]) and torch.equal(right, again[1])


def test_truncated_svd_of_zero():
    left, right = truncated_svd(torch.zeros(5, 3, dtype=torch.float64), 2)
    assert left.isfinite().all() and right.isfinite().all() and not (left @ right).any()


def test_numbers_for_resnet18_are_at_most_those_of_the_released_code():
    module = PreActResNet18(num_classes=10)
    params = penalisable_parameters(module, exclude=["linear"])
    filters = sum(len(parameter) for parameter in params.values())
    per_parameter = 10
    assert filters + per_parameter * len(params) + 10 <= 13_202
