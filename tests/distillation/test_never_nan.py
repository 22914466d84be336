"""Loss and gradients are finite whatever the memories."""

import pytest
import torch
from torch import nn

from vdfd_seg.distillation import GradientMemory, VariationalDistillationLoss
from vdfd_seg.distillation.kernels import KernelLayout


def memory_of(classes, prototypes=None, kind="random"):
    left = {"w": torch.randn(6, 1), "b": torch.randn(6, 1)}
    right = {"w": torch.randn(1, classes), "b": torch.randn(1, classes)}
    if kind == "zero":
        left = {name: torch.zeros_like(value) for name, value in left.items()}
    elif kind == "deficient":
        right = {name: torch.ones_like(value) for name, value in right.items()}
    return GradientMemory(
        left=left,
        right=right,
        layouts={"w": KernelLayout((6, 4, 3, 3)), "b": KernelLayout((6,))},
        projection_star=torch.randn(classes, dtype=torch.float64),
        outputs=list(range(classes)),
        prototypes=torch.randn(classes, 16) if prototypes is None else prototypes,
    )


CASES = {
    "zero memory": lambda: [memory_of(4, kind="zero")],
    "rank-deficient": lambda: [memory_of(4, kind="deficient"), memory_of(4, kind="deficient")],
    "one class": lambda: [memory_of(1)],
    "one class next to many": lambda: [memory_of(1), memory_of(9)],
    "200 classes": lambda: [memory_of(200), memory_of(200)],
    "duplicate prototypes": lambda: [memory_of(5, torch.ones(5, 16))],
    "zero prototypes": lambda: [memory_of(5, torch.zeros(5, 16))],
    "opposite prototypes": lambda: [memory_of(2, torch.tensor([[1.0], [-1.0]]) * torch.ones(16))],
    "negative cosines": lambda: [memory_of(16, 1.01 * torch.eye(16) - 0.3)],
    "negative degree": lambda: [memory_of(7, torch.cat([-torch.ones(1, 16), torch.ones(6, 16)]))],
    "tiny prototypes": lambda: [memory_of(5, 1e-30 * torch.randn(5, 16))],
    "huge prototypes": lambda: [memory_of(5, 1e30 * torch.randn(5, 16))],
}


@pytest.mark.parametrize("precision", ["gcn", "identity"])
@pytest.mark.parametrize("case", CASES)
def test_finite(case, precision):
    torch.manual_seed(0)
    params = {"w": nn.Parameter(torch.randn(6, 4, 3, 3)), "b": nn.Parameter(torch.randn(6))}
    memories = CASES[case]()
    for bias_free in (False, True):
        loss = VariationalDistillationLoss(memories, params, precision)
        if bias_free and loss.precision_model is not None:
            with torch.no_grad():
                # Isolated nodes then have latent vectors of zero.
                loss.precision_model.conv1.bias.zero_()
                loss.precision_model.conv2.bias.zero_()
        for weight in (0.0, 1e-3, 1.0, 1e8):
            for dtype in (torch.float32, torch.bfloat16, torch.float16):
                with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                    total = weight * loss()
                gradients = torch.autograd.grad(
                    total, [*params.values(), *loss.parameters()], allow_unused=True
                )
                assert total.isfinite()
                assert all(g.isfinite().all() for g in gradients if g is not None)
