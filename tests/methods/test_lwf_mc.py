import pytest
import torch
import torch.nn.functional as F

from tests.methods.plain import at_labels


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
