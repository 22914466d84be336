"""Modeling the background."""

import pytest
import torch
import torch.nn.functional as F

from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method

UNCE = {"type": "vdfd_seg.UnbiasedCrossEntropyLoss"}


def logits_of(step, teacher):
    """Logits of both networks at the labels' resolution, and the step's outputs."""
    outputs = step.adapter.outputs(step.inputs)
    with torch.no_grad():
        old = teacher.encode_decode(step.inputs, [s.metainfo for s in step.samples])
    return F.interpolate(outputs.logits, (32, 32), mode="bilinear"), old, outputs


def found(step, outputs):
    return step.method.extra_losses(step.adapter, outputs, step.samples)["loss_kd"]


def test_new_classes_are_distilled_as_background(taught):
    step, teacher = taught({"type": "MiB", "weight": 3.0, "alpha": 2.0}, loss=UNCE)
    new, old, outputs = logits_of(step, teacher)
    q, target = new.softmax(1), (2 * old).softmax(1)
    assert (q.shape[1], target.shape[1]) == (3, 2)
    expected = -(target[:, 0] * (q[:, 0] + q[:, 2]).log() + target[:, 1] * q[:, 1].log()) / 2
    assert torch.allclose(found(step, outputs), 3 * expected.mean(), rtol=1e-4)


def test_is_the_plain_distillation_over_domains(taught, domains):
    step, teacher = taught({"type": "MiB"}, protocol=domains)
    new, old, outputs = logits_of(step, teacher)
    assert new.shape == old.shape
    expected = -10 * (old.softmax(1) * new.log_softmax(1)).mean()
    assert torch.allclose(found(step, outputs), expected, rtol=1e-4)


def test_is_the_plain_distillation_without_a_background(taught, tiny_protocol):
    protocol = tiny_protocol(background=None, unseen="ignore")
    step, teacher = taught({"type": "MiB"}, protocol=protocol)
    new, old, outputs = logits_of(step, teacher)
    expected = -10 * (old.softmax(1) * new[:, :2].log_softmax(1)).mean()
    assert torch.allclose(found(step, outputs), expected, rtol=1e-4)


class TestBalancedStart:
    @pytest.fixture
    def start(self, taught):
        """A second step before its first update, and its teacher."""
        step, teacher = taught({"type": "MiB"}, updates=0, growth="balanced", loss=UNCE)
        step.learner.eval()
        return step, teacher

    def test_old_probabilities_are_unchanged(self, start):
        new, old, _ = logits_of(*start)
        q, before = new.softmax(1), old.softmax(1)
        assert torch.allclose(q[:, 1], before[:, 1], atol=1e-6)
        assert torch.allclose(q[:, 0], before[:, 0] / 2, atol=1e-6)
        assert torch.allclose(q[:, 2], before[:, 0] / 2, atol=1e-6)

    def test_the_distillation_is_least_there(self, start):
        step, teacher = start
        _, old, outputs = logits_of(step, teacher)
        loss = found(step, outputs)
        q = old.softmax(1)
        assert loss.item() == pytest.approx(-10 * (q * q.log()).mean().item(), rel=1e-5)
        loss.backward()
        gradients = [p.grad for p in step.network.parameters() if p.grad is not None]
        assert len(gradients) > 10
        assert max(gradient.abs().max() for gradient in gradients) < 1e-5

    def test_a_random_start_is_not_least(self, taught):
        step, teacher = taught({"type": "MiB"}, updates=0, loss=UNCE)
        step.learner.eval()
        _, old, outputs = logits_of(step, teacher)
        q = old.softmax(1)
        assert found(step, outputs).item() > -10 * (q * q.log()).mean().item() + 1e-3


def test_auxiliary_heads_are_not_distilled(taught):
    step, _ = taught({"type": "MiB"}, auxiliary=1, loss=UNCE)
    step.learner.zero_grad()
    found(step, step.adapter.outputs(step.inputs)).backward()
    assert all(p.grad is None for p in step.network.auxiliary_head.parameters())
    assert all(p.grad is not None for p in step.network.decode_head.parameters())


def test_the_teacher_has_no_gradient_and_is_let_go(taught, end):
    step, _ = taught({"type": "MiB"})
    assert not any(p.requires_grad for p in step.method.teacher.parameters())
    assert not step.method.teacher.training
    assert end(step).carried == {}
    assert step.method.extra_losses(step.adapter, None, step.samples) == {}


def test_extreme_logits_under_autocast(taught):
    step, _ = taught({"type": "MiB"}, loss=UNCE)
    with torch.no_grad():
        step.network.decode_head.conv_seg.bias.copy_(torch.tensor([-1e4, 1e4, -1e4]))
        step.method.teacher.decode_head.conv_seg.bias.copy_(torch.tensor([1e4, -1e4]))
    with torch.autocast("cpu", torch.bfloat16):
        losses = step.learner(step.inputs, step.samples, mode="loss")
    sum(value for name, value in losses.items() if "loss" in name).backward()
    assert all(value.isfinite().all() for value in losses.values())
    assert losses["loss_kd"] > 1e4
    assert all(p.grad.isfinite().all() for p in step.network.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weight": -1}, "weight=-1 must not be negative"),
        ({"alpha": 0}, "alpha=0 must be above 0"),
        ({"weight": float("nan")}, "weight=nan must not be negative"),
    ],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=f"method MiB: {message}"):
        build_method({"type": "MiB", **options})
