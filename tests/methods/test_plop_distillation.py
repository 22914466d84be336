"""PLOP's distillation of maps, class- and domain-incremental."""

import math

import pytest
import torch

from tests.methods.plain import maps_of_both
from vdfd_seg.losses import local_pod_distance

NO_DROPOUT = {"dropout_ratio": 0.0}


class TestDistillation:
    def test_is_the_plain_formula(self, plop_second):
        settings = {"backbone": "mobilenet", "auxiliary": 1, **NO_DROPOUT}
        step, teacher = plop_second(settings=settings, feature_weight=0.03, logits_weight=0.002)
        outputs = step.adapter.outputs(step.inputs)
        found = step.method.extra_losses(step.adapter, outputs, step.samples)["loss_pod"]
        weights = [0.03] * 5 + [0.002]
        pairs = zip(*maps_of_both(step, teacher, outputs), weights, strict=True)
        each = [weight * local_pod_distance(x, y, (1, 2, 4)) for x, y, weight in pairs]
        assert torch.allclose(found, math.sqrt(3) * sum(each) / 6, rtol=1e-4)

    def test_is_without_dropout(self, plop_second):
        step, _ = plop_second(settings={"dropout_ratio": 0.5})
        step.network.backbone.eval()
        for module in step.network.decode_head.modules():
            module.train(isinstance(module, torch.nn.modules.dropout._DropoutNd))
        one, two = (
            step.method.extra_losses(step.adapter, step.adapter.outputs(step.inputs), step.samples)
            for _ in range(2)
        )
        assert torch.equal(one["loss_pod"], two["loss_pod"])
        outputs = step.adapter.outputs(step.inputs)
        assert not torch.equal(outputs.embedding, outputs.before_dropout)

    def test_nothing_of_an_iteration_is_held_after_it(self, plop_second, losses_of, end):
        step, _ = plop_second()
        losses_of(step)
        assert step.method._seen is None
        end(step)
        assert step.method.targets(step.adapter, None, step.samples) is step.samples


class TestDomains:
    @pytest.fixture
    def night(self, successor, domains):
        return successor({"type": "PLOP"}, protocol=domains)

    def test_labels_and_loss_are_left_as_they_are(self, night, losses_of):
        losses = losses_of(night)
        assert "loss_pod" in losses
        assert "adaptive_factor" not in losses
        outputs = night.adapter.outputs(night.inputs)
        assert night.method.targets(night.adapter, outputs, night.samples) is night.samples
        assert night.method.state_dict() == {}

    def test_all_logits_are_distilled_without_a_factor(self, night):
        assert night.method.growth == 1
        night.learner.eval()

        def distance():
            outputs = night.adapter.outputs(night.inputs)
            return night.method.extra_losses(night.adapter, outputs, night.samples)["loss_pod"]

        loss = distance()
        loss.backward()
        assert loss.item() == 0
        grads = [p.grad for p in night.network.parameters() if p.grad is not None]
        assert all(grad.abs().max() == 0 for grad in grads)
        with torch.no_grad():
            night.network.decode_head.conv_seg.bias[2] += 1
        assert distance() > 0
