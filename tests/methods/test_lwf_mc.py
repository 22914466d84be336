"""Learning without forgetting with binary classifiers."""

import math

import pytest
import torch
import torch.nn.functional as F

from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method
from vdfd_seg.methods.lwf_mc import binary_cross_entropy


def data(dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = 3 * torch.randn(2, 3, 4, 5, generator=generator, dtype=dtype)
    labels = torch.randint(3, (2, 4, 5), generator=generator)
    labels[0, 0] = 255
    return logits, labels


class TestLoss:
    def test_by_hand(self):
        # Sigmoids 3/4, 1/2, 1/4 at a pixel of class 0, at one of class 2, and at an ignored one.
        logits = torch.tensor([math.log(3), 0.0, -math.log(3)]).view(1, 3, 1, 1).expand(1, 3, 1, 3)
        labels = torch.tensor([[[0, 2, 255]]])
        first = -math.log(0.75) - math.log(0.5) - math.log(0.75)
        second = -math.log(0.25) - math.log(0.5) - math.log(0.25)
        loss = binary_cross_entropy(logits, labels)
        assert loss.item() == pytest.approx((first + second) / 3)

    def test_is_the_plain_reference(self):
        logits, labels = data(torch.float64)
        total = 0.0
        for image, row, column in (labels != 255).nonzero().tolist():
            for kind in range(3):
                p = logits[image, kind, row, column].sigmoid()
                total -= (p if labels[image, row, column] == kind else 1 - p).log()
        assert torch.allclose(binary_cross_entropy(logits, labels), total / labels.numel())

    def test_gradient_equals_finite_differences(self):
        logits, labels = data(torch.float64)
        logits.requires_grad_()
        assert torch.autograd.gradcheck(lambda z: binary_cross_entropy(z, labels), (logits,))

    def test_a_batch_without_labels_gives_zero_with_a_gradient(self):
        logits, labels = data()
        logits.requires_grad_()
        loss = binary_cross_entropy(logits, torch.full_like(labels, 255))
        loss.backward()
        assert loss.item() == 0
        assert torch.equal(logits.grad, torch.zeros_like(logits))

    def test_labels_are_not_changed(self):
        logits, labels = data()
        before = labels.clone()
        binary_cross_entropy(logits, labels)
        assert torch.equal(labels, before)


def expected_losses(step, teacher, num_old):
    """Both terms, from probabilities."""
    outputs = step.adapter.outputs(step.inputs)
    with torch.no_grad():
        old = teacher.encode_decode(step.inputs, [s.metainfo for s in step.samples]).sigmoid()
    new = F.interpolate(outputs.logits, (32, 32), mode="bilinear")
    kd = -(old * new[:, :num_old].sigmoid().log())
    kd -= (1 - old) * (1 - new[:, :num_old].sigmoid()).log()
    labels = torch.cat([s.gt_sem_seg.data for s in step.samples])
    own = 0
    for kind in range(new.shape[1]):
        each = F.binary_cross_entropy_with_logits(
            new[:, kind], (labels == kind).float(), reduction="none"
        )
        own += each.masked_fill(labels == 255, 0).mean()
    # The code's 10 * K * mean over pixels and classes.
    return outputs, own, 10 * num_old * kd.mean()


@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_step_as_in_the_code_of_mib(taught, domains, scenario):
    protocol = domains if scenario == "domain" else None
    step, teacher = taught({"type": "LwFMC"}, protocol=protocol)
    num_old = 4 if scenario == "domain" else 2
    outputs, own, kd = expected_losses(step, teacher, num_old)
    losses = step.method.task_loss(step.adapter, outputs, step.samples)
    losses.update(step.method.extra_losses(step.adapter, outputs, step.samples))
    assert set(losses) == {"decode.loss_bce", "loss_kd"}
    assert torch.allclose(losses["decode.loss_bce"], own, rtol=1e-4)
    assert torch.allclose(losses["loss_kd"], kd, rtol=1e-4)


@pytest.mark.parametrize("auxiliary", [1, 2])
def test_auxiliary_heads_keep_their_losses(begin, losses_of, auxiliary):
    own = losses_of(begin({"type": "LwFMC"}, auxiliary=auxiliary))
    usual = losses_of(begin({"type": "FineTune"}, auxiliary=auxiliary))
    prefixes = ["aux."] if auxiliary == 1 else ["aux_0.", "aux_1."]
    kept = {key: value for key, value in usual.items() if not key.startswith("decode.")}
    assert sorted(key for key in kept if "loss" in key) == [f"{p}loss_ce" for p in prefixes]
    assert set(own) == {"decode.loss_bce", *kept}
    for key, value in kept.items():
        assert torch.equal(own[key], value), key


def test_the_loss_of_the_main_head_in_the_config_is_not_used(begin, losses_of):
    loss = {"type": "CrossEntropyLoss", "loss_weight": 100.0}
    first, second = (losses_of(begin({"type": "LwFMC"}, loss=each)) for each in (None, loss))
    assert torch.equal(first["decode.loss_bce"], second["decode.loss_bce"])


def test_has_no_gradient_while_the_network_is_still_the_old_one(taught):
    step, _ = taught({"type": "LwFMC"}, updates=0)
    step.learner.eval()

    def gradient():
        step.learner.zero_grad()
        outputs = step.adapter.outputs(step.inputs)
        step.method.extra_losses(step.adapter, outputs, step.samples)["loss_kd"].backward()
        rows = step.network.decode_head.conv_seg.weight.grad
        assert rows[2].abs().max() == 0
        return rows.abs().max().item()

    assert gradient() < 1e-5
    with torch.no_grad():
        step.network.decode_head.conv_seg.bias[0] += 1
    assert gradient() > 1e-3


def test_extreme_logits_under_autocast(taught):
    step, _ = taught({"type": "LwFMC"})
    with torch.no_grad():
        step.network.decode_head.conv_seg.bias.copy_(torch.tensor([-1e4, 1e4, -1e4]))
        step.method.teacher.decode_head.conv_seg.bias.copy_(torch.tensor([1e4, -1e4]))
    with torch.autocast("cpu", torch.bfloat16):
        losses = step.learner(step.inputs, step.samples, mode="loss")
    sum(losses.values()).backward()
    assert all(value.isfinite() for value in losses.values())
    assert all(p.grad.isfinite().all() for p in step.network.parameters())


def test_nothing_is_carried(taught, end):
    step, _ = taught({"type": "LwFMC"})
    assert end(step).carried == {}
    assert step.method.extra_losses(step.adapter, None, step.samples) == {}


@pytest.mark.parametrize("weight", [-1, float("nan")])
def test_bad_options_are_refused(weight):
    with pytest.raises(InputError, match="method LwFMC: weight="):
        build_method({"type": "LwFMC", "weight": weight})
