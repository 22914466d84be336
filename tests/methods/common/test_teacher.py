"""What the methods share that hold the network of the step before."""

import pytest
import torch

from vdfd_seg.methods.common.teacher import sigmoid_distillation


@pytest.mark.parametrize("name", ["ILT", "LwF", "LwFMC", "MiB", "PLOP", "RCIL"])
def test_the_teacher_sees_the_images_once_an_iteration_without_a_gradient(taught, losses_of, name):
    step, _ = taught({"type": name}, updates=0)
    teacher, calls = step.method.teacher, []
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    teacher.backbone.register_forward_hook(lambda *_: calls.append(1))
    losses_of(step)
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["ILT", "LwF", "LwFMC"])
def test_distillation_rests_while_the_network_is_still_the_old_one(taught, name):
    step, _ = taught({"type": name}, updates=0)
    step.learner.eval()

    def gradient():
        step.learner.zero_grad()
        outputs = step.adapter.outputs(step.inputs)
        losses = step.method.extra_losses(step.adapter, outputs, step.samples)
        assert losses.get("loss_features", 0) == 0
        losses["loss_kd"].backward()
        rows = step.network.decode_head.conv_seg.weight.grad
        # The new class is not distilled.
        assert rows[2].abs().max() == 0
        return rows.abs().max().item()

    assert gradient() < 1e-5
    with torch.no_grad():
        step.network.decode_head.conv_seg.bias[0] += 1
    assert gradient() > 1e-3


def test_sigmoid_distillation_in_double_precision():
    new, old = torch.randn(2, 6, 3, dtype=torch.float64)
    p, q = new.sigmoid(), old.sigmoid()
    expected = -(q * p.log() + (1 - q) * (1 - p).log()).sum(1).mean()
    found = sigmoid_distillation(new, old)
    assert found.dtype == torch.float64
    assert torch.allclose(found, expected, rtol=1e-13)
