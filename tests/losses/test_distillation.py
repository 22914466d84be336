import pytest
import torch

from tests.methods.plain import cross_entropy_of_facil
from vdfd_seg.losses import distillation_loss


@pytest.mark.parametrize("temperature", [1.0, 2.0, 3.5])
def test_the_loss_is_that_of_facil(temperature):
    new, old = 3 * torch.randn(2, 6, 5, dtype=torch.float64)
    expected = cross_entropy_of_facil(new, old, 1 / temperature)
    found = distillation_loss(new, old, temperature)
    assert found.dtype == torch.float64
    assert torch.allclose(found, expected, rtol=1e-13)
    halved = distillation_loss(new, old, temperature, average_classes=True)
    assert torch.allclose(halved, expected / 5, rtol=1e-13)
    found = distillation_loss(new.bfloat16(), old.bfloat16(), temperature)
    assert found.dtype == torch.float32
    assert torch.allclose(found, expected.float(), rtol=0.05)
