import pytest
import torch

from tests.methods.plain import at_labels


@pytest.mark.parametrize("scenario", ["class", "domain"])
@pytest.mark.parametrize(
    "settings", [{}, {"backbone": "mobilenet", "head": "DepthwiseSeparableASPPHead"}]
)
def test_step_as_in_the_code_of_mib(taught, domains, scenario, settings):
    protocol = domains if scenario == "domain" else None
    step, teacher = taught({"type": "ILT"}, protocol=protocol, **settings)
    outputs, new, old = at_labels(step, teacher)
    with torch.no_grad():
        features = teacher.backbone(step.inputs)[-1]
    new = new[:, : 4 if scenario == "domain" else 2]
    expected = {
        "loss_kd": -100 * (old.softmax(1) * new.log_softmax(1)).mean(),
        "loss_features": 100 * (outputs.features[-1] - features).square().mean(),
    }
    losses = step.method.extra_losses(step.adapter, outputs, step.samples)
    assert list(losses) == list(expected)
    for name, value in expected.items():
        assert torch.allclose(losses[name], value, rtol=1e-4), name


def test_the_feature_term_trains_the_backbone_alone(taught):
    step, _ = taught({"type": "ILT"}, auxiliary=1)
    step.learner.zero_grad()
    outputs = step.adapter.outputs(step.inputs)
    losses = step.method.extra_losses(step.adapter, outputs, step.samples)
    losses["loss_features"].backward()
    assert all(p.grad is not None for p in step.network.backbone.parameters())
    assert all(p.grad is None for p in step.network.decode_head.parameters())
    assert all(p.grad is None for p in step.method.teacher.parameters())
