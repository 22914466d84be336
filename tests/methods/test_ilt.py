import pytest
import torch

from tests.methods.plain import at_labels


@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_step_as_in_the_code_of_mib(taught, domains, scenario):
    protocol = domains if scenario == "domain" else None
    step, teacher = taught({"type": "ILT"}, protocol=protocol)
    outputs, new, old = at_labels(step, teacher)
    with torch.no_grad():
        features = teacher.backbone(step.inputs)[-1]
    new = new[:, : 4 if scenario == "domain" else 2]
    expected = {
        "loss_kd": -100 * (old.softmax(1) * new.log_softmax(1)).mean(),
        "loss_features": 100 * (outputs.features[-1] - features).square().mean(),
    }
    losses = step.method.extra_losses(step.adapter, outputs, step.samples)
    torch.testing.assert_close(losses, expected, rtol=1e-4, atol=1e-8)
