"""The memory's storage: exact compression, plain tensors, refusal of other networks."""

import pytest
import torch

from tests.distillation.test_loss import problem
from vdfd_seg.distillation import GradientMemory, MemoryMismatchError, penalisable_parameters
from vdfd_seg.distillation.memory import truncated_svd
from vdfd_seg.errors import InputError
from vdfd_seg.models.preact_resnet import PreActResNet


def test_a_state_is_the_same_memory_and_its_numbers_are_counted():
    (memory, _) = problem(double=False, classifier=True)[2]
    again = GradientMemory.from_state(memory.to_state())
    assert again.nbytes == memory.nbytes and again.numbers == memory.numbers
    of_classifier = sum(v.numel() for v in memory.classifier.values() if hasattr(v, "numel"))
    factors = [*memory.left.values(), *memory.right.values(), memory.prototypes]
    assert memory.numbers == sum(f.numel() for f in factors) + 3 + of_classifier


@pytest.mark.parametrize(
    ("without", "extra", "message"),
    [
        ("linear.weight", {}, "'linear.weight', which the network lacks"),
        (" ", {"extra.weight": (3,)}, "'extra.weight' is not covered"),
        (" ", {"up.weight": (8, 4, 3, 3)}, r"'up.weight' has shape \(8, 4, 3, 3\)"),
        (" ", {"head.weight": (1, 10, 1, 1)}, "'head.weight' has 1 rows"),
        ("head", {}, "'head.weight', which the network lacks"),
    ],
)
def test_refuses_other_parameters_by_name(without, extra, message):
    _, params, (memory, _) = problem(classifier=True)
    memory.check(params)
    other = {name: p for name, p in params.items() if not name.startswith(without)}
    other.update({name: torch.zeros(shape) for name, shape in extra.items()})
    with pytest.raises(MemoryMismatchError, match=message) as error:
        memory.check(other)
    assert isinstance(error.value, InputError)


def test_refuses_another_version_and_missing_entries():
    state = problem()[2][0].to_state()
    with pytest.raises(InputError, match="version 0"):
        GradientMemory.from_state({**state, "version": 0})
    del state["outputs"]
    with pytest.raises(InputError, match="'outputs'"):
        GradientMemory.from_state(state)


@pytest.mark.parametrize("shape", [(7, 4), (1, 5), (3, 9), (6, 1)])
def test_truncated_svd_is_exact(shape):
    matrix = torch.randn(shape, dtype=torch.float64)
    zero, of_zero = truncated_svd(0 * matrix, 2)
    assert torch.equal(zero @ of_zero, 0 * matrix)
    for rank in range(1, 10):
        left, right = truncated_svd(matrix, rank)
        kept = min(rank, *shape)
        assert left.shape == (shape[0], kept) and right.shape == (kept, shape[1])
        rest = torch.linalg.svdvals(matrix)[kept:].norm()
        torch.testing.assert_close((matrix - left @ right).norm(), rest, rtol=1e-6, atol=1e-12)
        # The sign is fixed by the left vector alone, whatever sign the decomposition came with.
        assert (left.gather(0, left.abs().argmax(0, keepdim=True)) > 0).all()


def test_numbers_for_resnet18_are_at_most_those_of_the_released_code():
    module = PreActResNet()
    params = penalisable_parameters(module, exclude=["linear"])
    filters = sum(len(parameter) for parameter in params.values())
    per_parameter = 10
    assert filters + per_parameter * len(params) + 10 <= 13_202
