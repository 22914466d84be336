"""Distillation of outputs and features."""

import pytest
import torch
import torch.nn.functional as F

from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method


@pytest.mark.parametrize("scenario", ["class", "domain"])
@pytest.mark.parametrize(
    "settings", [{}, {"backbone": "mobilenet", "head": "DepthwiseSeparableASPPHead"}]
)
def test_step_as_in_the_code_of_mib(taught, domains, scenario, settings):
    protocol = domains if scenario == "domain" else None
    step, teacher = taught({"type": "ILT"}, protocol=protocol, **settings)
    num_old = 4 if scenario == "domain" else 2
    outputs = step.adapter.outputs(step.inputs)
    with torch.no_grad():
        old = teacher.encode_decode(step.inputs, [s.metainfo for s in step.samples])
        features = teacher.backbone(step.inputs)[-1]
    new = F.interpolate(outputs.logits, (32, 32), mode="bilinear")[:, :num_old]
    expected = {
        "loss_kd": -100 * (old.softmax(1) * new.log_softmax(1)).mean(),
        "loss_features": 100 * (outputs.features[-1] - features).square().mean(),
    }
    losses = step.method.extra_losses(step.adapter, outputs, step.samples)
    assert list(losses) == list(expected)
    for name, value in expected.items():
        assert torch.allclose(losses[name], value, rtol=1e-4), name


def test_its_output_term_is_that_of_lwf(taught):
    step, _ = taught({"type": "ILT"})
    other, _ = taught({"type": "LwF", "weight": 100.0, "temperature": 1.0, "average_classes": True})
    other.network.load_state_dict(step.network.state_dict())
    other.method.teacher.load_state_dict(step.method.teacher.state_dict())
    found = []
    for each in (step, other):
        each.learner.eval()
        outputs = each.adapter.outputs(each.inputs)
        found.append(each.method.extra_losses(each.adapter, outputs, each.samples)["loss_kd"])
    assert torch.equal(*found)


def test_the_feature_term_trains_the_backbone_alone(taught):
    step, _ = taught({"type": "ILT"}, auxiliary=1)
    step.learner.zero_grad()
    outputs = step.adapter.outputs(step.inputs)
    losses = step.method.extra_losses(step.adapter, outputs, step.samples)
    losses["loss_features"].backward()
    assert all(p.grad is not None for p in step.network.backbone.parameters())
    assert all(p.grad is None for p in step.network.decode_head.parameters())
    assert all(p.grad is None for p in step.method.teacher.parameters())


def test_both_terms_rest_while_the_network_is_still_the_old_one(taught):
    step, _ = taught({"type": "ILT"}, updates=0)
    step.learner.eval()
    outputs = step.adapter.outputs(step.inputs)
    losses = step.method.extra_losses(step.adapter, outputs, step.samples)
    assert losses["loss_features"] == 0
    losses["loss_kd"].backward()
    assert step.network.backbone.stem[0].weight.grad.abs().max() < 1e-4


def test_the_teacher_sees_the_images_once_an_iteration(taught):
    step, _ = taught({"type": "ILT"})
    calls = []
    step.method.teacher.backbone.register_forward_hook(lambda *_: calls.append(1))
    step.learner(step.inputs, step.samples, mode="loss")
    assert len(calls) == 1


def test_extreme_logits_under_autocast(taught):
    step, _ = taught({"type": "ILT"})
    with torch.no_grad():
        step.network.decode_head.conv_seg.bias.copy_(torch.tensor([-1e4, 1e4, -1e4]))
        step.method.teacher.decode_head.conv_seg.bias.copy_(torch.tensor([1e4, -1e4]))
    with torch.autocast("cpu", torch.bfloat16):
        losses = step.learner(step.inputs, step.samples, mode="loss")
    sum(value for name, value in losses.items() if "loss" in name).backward()
    assert all(value.isfinite().all() for value in losses.values())
    assert all(p.grad.isfinite().all() for p in step.network.parameters())


def test_nothing_is_carried(taught, end):
    step, _ = taught({"type": "ILT"})
    assert end(step).carried == {}
    assert step.method.extra_losses(step.adapter, None, step.samples) == {}


@pytest.mark.parametrize(
    ("options", "message"),
    [({"feature_weight": -1}, "method ILT: feature_weight="), ({"weight": -1}, "weight=-1")],
)
def test_bad_options_are_refused(options, message):
    with pytest.raises(InputError, match=message):
        build_method({"type": "ILT", **options})
