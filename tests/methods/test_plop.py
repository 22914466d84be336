"""PLOP's pseudo-labels, factors and distillation on tiny steps, against plain formulas."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from tests.methods.plain import at_labels, maps_of_both
from vdfd_seg.losses import local_pod_distance
from vdfd_seg.methods.common.pseudo_labels import normalised_entropy

AVERAGE = {"loss": {"type": "CrossEntropyLoss", "avg_non_ignore": False}}
NO_DROPOUT = {"dropout_ratio": 0.0}


@pytest.fixture
def plop_second(taught):
    """A second step and the first step's network, in evaluation mode.

    With enough bins for medians between the entropies of a network that is sure of nothing.
    """

    def make(updates=2, growth="random", settings=None, **options):
        cfg = {"type": "PLOP", "bins": 5000, **options}
        return taught(cfg, None, updates, growth, **(settings or {}))

    return make


def own_labels(step):
    return step.adapter.labels(step.samples).clone()


def targets(step):
    return step.method.targets(step.adapter, step.adapter.outputs(step.inputs), step.samples)


def labels_given(step):
    return step.adapter.labels(targets(step))


class TestThresholds:
    @pytest.mark.parametrize("bins", [100, 5000])
    def test_are_the_medians_of_the_background_of_the_images(self, plop_second, bins):
        step, teacher = plop_second(bins=bins, min_threshold=0.0)
        # The teacher's convolution of two images at once rounds otherwise than of each alone.
        _, _, scores = at_labels(step, teacher)
        hidden = own_labels(step) < 2
        assert (own_labels(step) == 1).sum() == 0
        entropy, classes = normalised_entropy(scores)[hidden], scores.argmax(1)[hidden]
        for c, found in enumerate(step.method.thresholds.tolist()):
            values = entropy[classes == c].numpy()
            expected = np.quantile(values, 0.5, method="inverted_cdf") if len(values) else 0
            assert found == pytest.approx(expected, abs=1 / bins + 1e-5)

    def test_have_a_floor(self, plop_second):
        """Which they are over images without background."""
        step, _ = plop_second(min_threshold=2.0)
        assert step.method.thresholds.tolist() == [2.0, 2.0]
        step, _ = plop_second()
        for sample in step.samples:
            sample.gt_sem_seg.data[:] = 2
        found = step.method._find_thresholds(step.context)
        assert found.tolist() == pytest.approx([0.001, 0.001])

    def test_released_unit(self, plop_second):
        """The same pixels get a label, whatever the unit, but for the bins."""
        released, _ = plop_second(min_threshold=0.0, entropy="released")
        unit, _ = plop_second(min_threshold=0.0)
        expected = unit.method.thresholds / (2 * math.log(3))
        assert torch.allclose(released.method.thresholds, expected, atol=1 / 5000)
        agree = labels_given(released) == labels_given(unit)
        assert agree.float().mean() > 0.95

    def test_without_any_labels_and_losses_stay(self, begin, plop_second, successor, domains):
        """At the first step, where they are not to be replaced, and over domains."""
        first, (second, _) = begin({"type": "PLOP"}), plop_second(use_pseudo_labels=False)
        night = successor({"type": "PLOP"}, protocol=domains)
        for step, extra in ((first, []), (second, ["loss_pod"]), (night, ["loss_pod"])):
            outputs = step.adapter.outputs(step.inputs)
            assert step.method.thresholds is None
            assert step.method.targets(step.adapter, outputs, step.samples) is step.samples
            assert list(step.method.extra_losses(step.adapter, outputs, step.samples)) == extra
            losses = step.method.task_loss(step.adapter, outputs, step.samples)
            assert "adaptive_factor" not in losses


class TestTargets:
    def test_batch_keeps_its_own_labels_and_samples(self, plop_second, losses_of):
        step, _ = plop_second(updates=0)
        before, labels = list(step.samples), own_labels(step)
        losses_of(step)
        assert torch.equal(own_labels(step), labels)
        assert all(map(lambda a, b: a is b, step.samples, before))
        assert all("image_weight" not in sample for sample in step.samples)

    def test_are_the_teachers_sure_predictions(self, plop_second):
        step, teacher = plop_second()
        _, _, scores = at_labels(step, teacher)
        labels, thresholds = own_labels(step), step.method.thresholds
        found = targets(step)
        classes, hidden = scores.argmax(1), labels < 2
        entropy = normalised_entropy(scores)
        sure = hidden & (entropy < thresholds[classes])
        assert 0.1 < sure[hidden].float().mean() < 0.9
        expected = torch.where(sure, classes, torch.where(hidden, 255, labels))
        # Rounding decides on a threshold's very edge.
        clear = (entropy - thresholds[classes]).abs() > 1e-5
        assert torch.equal(step.adapter.labels(found)[clear], expected[clear])
        for sample, of_image, total in zip(found, sure, hidden, strict=True):
            share = of_image.sum() / total.sum()
            assert sample.image_weight.item() == pytest.approx(share.item(), abs=5e-3)


class TestTaskLoss:
    @pytest.mark.parametrize(("auxiliary", "adaptive_factor"), [(0, True), (2, True), (0, False)])
    def test_is_the_weighted_mean_over_all_pixels(self, plop_second, auxiliary, adaptive_factor):
        settings = {"auxiliary": auxiliary, **AVERAGE}
        step, _ = plop_second(settings=settings, adaptive_factor=adaptive_factor)
        outputs = step.adapter.outputs(step.inputs)
        # Half of one image is not hidden at all.
        step.samples[0].gt_sem_seg.data[:, 16:] = 2
        samples = step.method.targets(step.adapter, outputs, step.samples)
        losses = step.method.task_loss(step.adapter, outputs, samples)
        labels = step.adapter.labels(samples)
        factors = torch.stack([s.image_weight for s in samples])
        assert adaptive_factor or factors.tolist() == [1, 1]
        names = ["decode.loss_ce", "aux_0.loss_ce", "aux_1.loss_ce"][: 1 + auxiliary]
        for name, logits in zip(names, (outputs.logits, *outputs.auxiliary), strict=True):
            logits = F.interpolate(logits, (32, 32), mode="bilinear")
            pixels = F.cross_entropy(logits, labels, ignore_index=255, reduction="none")
            expected = (factors[:, None, None] * pixels).mean()
            assert torch.allclose(losses[name], expected, rtol=1e-5), name
        assert torch.allclose(losses["adaptive_factor"], factors.mean())

    def test_pseudo_labels_are_no_background_to_an_unbiased_loss(self, plop_second, losses_of):
        unbiased, plain = (
            plop_second(settings={"loss": {"type": kind, **more}})[0]
            for kind, more in (
                ("vdfd_seg.UnbiasedCrossEntropyLoss", {}),
                ("CrossEntropyLoss", {"avg_non_ignore": True}),
            )
        )
        for key, value in losses_of(plain).items():
            assert torch.allclose(losses_of(unbiased)[key], value, rtol=1e-3), key


class TestDistillation:
    @pytest.mark.parametrize("domain", [False, True])
    def test_is_the_plain_formula(self, taught, domains, domain):
        """Of all logits, and without a factor, where no class is new."""
        cfg = {"type": "PLOP", "feature_weight": 0.03, "logits_weight": 0.002}
        settings = {"backbone": "mobilenet", "auxiliary": 1, **NO_DROPOUT}
        step, teacher = taught(cfg, domains if domain else None, **settings)
        outputs = step.adapter.outputs(step.inputs)
        found = step.method.extra_losses(step.adapter, outputs, step.samples)["loss_pod"]
        weights = [0.03] * 5 + [0.002]
        pairs = zip(*maps_of_both(step, teacher, outputs), weights, strict=True)
        each = [weight * local_pod_distance(x, y, (1, 2, 4)) for x, y, weight in pairs]
        factor = 1 if domain else math.sqrt(3)
        assert torch.allclose(found, factor * sum(each) / 6, rtol=1e-4)

    def test_is_without_dropout(self, plop_second):
        step, _ = plop_second(settings={"dropout_ratio": 0.5})
        step.network.backbone.eval()
        for module in step.network.decode_head.modules():
            module.train(isinstance(module, torch.nn.modules.dropout._DropoutNd))
        one, two = (step.adapter.outputs(step.inputs) for _ in range(2))
        assert not torch.equal(one.embedding, two.embedding)
        one, two = (
            step.method.extra_losses(step.adapter, each, step.samples) for each in (one, two)
        )
        assert torch.equal(one["loss_pod"], two["loss_pod"])
