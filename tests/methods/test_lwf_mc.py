import math

import pytest
import torch
import torch.nn.functional as F

from tests.methods.plain import at_labels
from vdfd_seg.methods.lwf_mc import binary_cross_entropy


class TestLoss:
    def test_by_hand(self):
        # Sigmoids 3/4, 1/2, 1/4 at a pixel of class 0, at one of class 2, and at an ignored one.
        logits = torch.tensor([math.log(3), 0.0, -math.log(3)]).view(1, 3, 1, 1).expand(1, 3, 1, 3)
        labels = torch.tensor([[[0, 2, 255]]])
        first = -math.log(0.75) - math.log(0.5) - math.log(0.75)
        second = -math.log(0.25) - math.log(0.5) - math.log(0.25)
        loss = binary_cross_entropy(logits, labels)
        assert loss.item() == pytest.approx((first + second) / 3)
        assert labels.tolist() == [[[0, 2, 255]]]


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


@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_step_as_in_the_code_of_mib(taught, domains, scenario):
    step, teacher = taught({"type": "LwFMC"}, protocol=domains if scenario == "domain" else None)
    outputs, new, old = at_labels(step, teacher)
    p, q = new[:, : old.shape[1]].sigmoid(), old.sigmoid()
    # The code's 10 * K * mean over pixels and classes.
    kd = -10 * old.shape[1] * (q * p.log() + (1 - q) * (1 - p).log()).mean()
    labels, own = step.adapter.labels(step.samples), 0
    for kind in range(new.shape[1]):
        each = F.binary_cross_entropy_with_logits(
            new[:, kind], (labels == kind).float(), reduction="none"
        )
        own += each.masked_fill(labels == 255, 0).mean()
    losses = step.method.task_loss(step.adapter, outputs, step.samples)
    losses.update(step.method.extra_losses(step.adapter, outputs, step.samples))
    assert set(losses) == {"decode.loss_bce", "loss_kd"}
    assert torch.allclose(losses["decode.loss_bce"], own, rtol=1e-4)
    assert torch.allclose(losses["loss_kd"], kd, rtol=1e-4)
