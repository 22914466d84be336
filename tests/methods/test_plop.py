"""PLOP on tiny steps: against plain formulas, and where it could be NaN."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method
from vdfd_seg.methods.pseudo_labels import normalised_entropy
from vdfd_seg.protocols import build_protocol

NO_DROPOUT = {"dropout_ratio": 0.0}
AVERAGE = {"loss": {"type": "CrossEntropyLoss", "avg_non_ignore": False}}


@pytest.fixture
def second(begin, train, end, tiny_network):
    """A second step and the first step's network, in evaluation mode.

    With enough bins for medians between the entropies of a network that is sure of nothing.
    """

    def make(updates=2, growth="random", settings=None, **options):
        settings, cfg = settings or {}, {"type": "PLOP", "bins": 5000, **options}
        first = begin(cfg, **settings)
        train(first, updates=3)
        previous = end(first)
        step = begin(cfg, 1, previous, growth=growth, **settings)
        train(step, updates=updates)
        teacher = tiny_network(2, **settings)
        teacher.load_state_dict(previous.state)
        return step, teacher.eval()

    return make


def own_labels(step):
    return step.view.labels(step.samples).clone()


def teacher_scores(step, teacher):
    with torch.no_grad():
        return teacher.encode_decode(step.inputs, [s.metainfo for s in step.samples])


class TestThresholds:
    @pytest.mark.parametrize("bins", [100, 5000])
    def test_are_the_medians_of_the_background_of_the_images(self, second, bins):
        step, teacher = second(bins=bins, min_threshold=0.0)
        # The teacher's convolution of two images at once rounds otherwise than of each alone.
        scores = teacher_scores(step, teacher)
        hidden = own_labels(step) < 2
        assert (own_labels(step) == 1).sum() == 0
        entropy, classes = normalised_entropy(scores)[hidden], scores.argmax(1)[hidden]
        for c, found in enumerate(step.method.thresholds.tolist()):
            values = entropy[classes == c].numpy()
            expected = np.quantile(values, 0.5, method="inverted_cdf") if len(values) else 0
            assert found == pytest.approx(expected, abs=1 / bins + 1e-5)

    def test_have_a_floor(self, second):
        step, _ = second(min_threshold=2.0)
        assert step.method.thresholds.tolist() == [2.0, 2.0]

    def test_released_unit(self, second):
        step, _ = second(entropy="released", bins=5000, min_threshold=0.0)
        other, _ = second(bins=5000, min_threshold=0.0)
        expected = other.method.thresholds / (2 * math.log(3))
        assert torch.allclose(step.method.thresholds, expected, atol=1 / 5000)
        # The same pixels get a label, whatever the unit, but for the bins.
        one, two = (s.method.targets(s.view, s.view.outputs(s.inputs), s.samples)
                    for s in (step, other))  # fmt: skip
        agree = step.view.labels(one) == step.view.labels(two)
        assert agree.float().mean() > 0.95

    def test_first_step_has_none(self, begin):
        step = begin({"type": "PLOP"})
        outputs = step.view.outputs(step.inputs)
        assert step.method.thresholds is None
        assert step.method.targets(step.view, outputs, step.samples) is step.samples
        assert step.method.extra_losses(step.view, outputs, step.samples) == {}
        assert step.method.state_dict() == {}


class TestTargets:
    def test_batch_keeps_its_own_labels_and_samples(self, second, losses_of):
        step, _ = second(updates=0)
        before, labels = list(step.samples), own_labels(step)
        losses_of(step)
        assert torch.equal(own_labels(step), labels)
        assert all(map(lambda a, b: a is b, step.samples, before))
        assert all("image_weight" not in sample for sample in step.samples)
        found = step.method.targets(step.view, step.view.outputs(step.inputs), step.samples)
        assert not torch.equal(step.view.labels(found), labels)
        assert [s.metainfo for s in found] == [s.metainfo for s in step.samples]

    def test_are_the_teachers_sure_predictions(self, second):
        step, teacher = second()
        scores = teacher_scores(step, teacher)
        labels, thresholds = own_labels(step), step.method.thresholds
        found = step.method.targets(step.view, step.view.outputs(step.inputs), step.samples)
        classes, hidden = scores.argmax(1), labels < 2
        entropy = normalised_entropy(scores)
        sure = hidden & (entropy < thresholds[classes])
        assert 0.1 < sure[hidden].float().mean() < 0.9
        expected = torch.where(sure, classes, torch.where(hidden, 255, labels))
        # Rounding decides on a threshold's very edge.
        clear = (entropy - thresholds[classes]).abs() > 1e-5
        assert torch.equal(step.view.labels(found)[clear], expected[clear])
        for sample, of_image, total in zip(found, sure, hidden, strict=True):
            share = of_image.sum() / total.sum()
            assert sample.image_weight.item() == pytest.approx(share.item(), abs=5e-3)

    def test_old_network_sees_the_images_of_the_batch(self, second):
        step, teacher = second()
        flipped = step.inputs.flip(-1)
        found = step.method._outputs_of_old(step.view.outputs(flipped))
        with torch.no_grad():
            expected = teacher.decode_head(teacher.extract_feat(flipped))
        assert torch.allclose(found.logits, expected, atol=1e-5)

    def test_labels_stay_where_they_are_not_to_be_replaced(self, second, losses_of):
        step, _ = second(use_pseudo_labels=False)
        assert step.method.thresholds is None
        assert "adaptive_factor" not in losses_of(step)


class TestTaskLoss:
    @pytest.mark.parametrize("auxiliary", [0, 2])
    @pytest.mark.parametrize("adaptive_factor", [True, False])
    def test_is_the_weighted_mean_over_all_pixels(self, second, auxiliary, adaptive_factor):
        settings = {"auxiliary": auxiliary, **AVERAGE}
        step, _ = second(settings=settings, adaptive_factor=adaptive_factor)
        outputs = step.view.outputs(step.inputs)
        # Half of one image is not hidden at all.
        step.samples[0].gt_sem_seg.data[:, 16:] = 2
        samples = step.method.targets(step.view, outputs, step.samples)
        losses = step.method.task_loss(step.view, outputs, samples)
        labels = step.view.labels(samples)
        factors = torch.stack([s.image_weight for s in samples])
        if not adaptive_factor:
            assert factors.tolist() == [1, 1]
        else:
            assert 0 < factors.min() and factors.max() < 1
        names = ["decode.loss_ce"] + [f"aux_{i}.loss_ce" for i in range(auxiliary)]
        for name, logits in zip(names, (outputs.logits, *outputs.auxiliary), strict=True):
            logits = F.interpolate(logits, (32, 32), mode="bilinear")
            pixels = F.cross_entropy(logits, labels, ignore_index=255, reduction="none")
            expected = (factors[:, None, None] * pixels).mean()
            assert torch.allclose(losses[name], expected, rtol=1e-5), name
        assert torch.allclose(losses["adaptive_factor"], factors.mean())

    def test_pseudo_labels_are_no_background_to_an_unbiased_loss(self, second, losses_of):
        unbiased, plain = (
            second(settings={"loss": {"type": kind, **more}})[0]
            for kind, more in (
                ("vdfd_seg.UnbiasedCrossEntropyLoss", {}),
                ("CrossEntropyLoss", {"avg_non_ignore": True}),
            )
        )
        for key, value in losses_of(plain).items():
            assert torch.allclose(losses_of(unbiased)[key], value, rtol=1e-3), key


class TestDistillation:
    def test_is_the_plain_formula(self, second):
        settings = {"backbone": "mobilenet", "auxiliary": 1, **NO_DROPOUT}
        step, teacher = second(settings=settings, feature_weight=0.03, logits_weight=0.002)
        outputs = step.view.outputs(step.inputs)
        found = step.method.extra_losses(step.view, outputs, step.samples)["loss_pod"]
        new, old = [*outputs.features, outputs.embedding, outputs.logits], []
        with torch.no_grad():
            features = teacher.extract_feat(step.inputs)
            old = [*features, teacher.decode_head._forward_feature(features)]
            old.append(teacher.decode_head(features))
        new[-1] = torch.stack([new[-1][:, 0] + new[-1][:, 2], new[-1][:, 1]], 1)
        expected = 0.0
        for number, (x, y) in enumerate(zip(new, old, strict=True)):
            pooled = [[], []]
            for side, maps in zip(pooled, (x**2, y**2), strict=True):
                for s in (1, 2, 4):
                    k = maps.shape[-1] // s
                    for i in range(s * (k > 0)):
                        for j in range(s):
                            cell = maps[..., i * k : (i + 1) * k, j * k : (j + 1) * k]
                            side += [cell.mean(3).flatten(1), cell.mean(2).flatten(1)]
            difference = torch.cat(pooled[0], 1) - torch.cat(pooled[1], 1)
            weight = 0.002 if number == len(new) - 1 else 0.03
            expected = expected + weight * difference.norm(dim=1).mean()
        expected = math.sqrt(3) * expected / len(new)
        assert len(new) == 6
        assert torch.allclose(found, expected, rtol=1e-4)

    def test_equal_networks_have_distance_zero_and_a_finite_gradient(self, second):
        step, _ = second(updates=0)
        step.learner.eval()
        # The new class has no score: the background's stays what it was.
        step.network.decode_head.conv_seg.weight.data[2:] = 0
        step.network.decode_head.conv_seg.bias.data[2:] = 0
        outputs = step.view.outputs(step.inputs)
        found = step.method.extra_losses(step.view, outputs, step.samples)["loss_pod"]
        found.backward()
        assert found.item() == pytest.approx(0, abs=1e-7)
        assert all(p.grad.isfinite().all() for p in step.network.parameters() if p.grad is not None)

    def test_is_without_dropout(self, second):
        step, _ = second(settings={"dropout_ratio": 0.5})
        step.network.backbone.eval()
        for module in step.network.decode_head.modules():
            module.train(isinstance(module, torch.nn.modules.dropout._DropoutNd))
        one, two = (
            step.method.extra_losses(step.view, step.view.outputs(step.inputs), step.samples)
            for _ in range(2)
        )
        assert torch.equal(one["loss_pod"], two["loss_pod"])
        outputs = step.view.outputs(step.inputs)
        assert not torch.equal(outputs.embedding, outputs.undropped)

    def test_no_graph_is_held_between_iterations(self, second, losses_of):
        step, _ = second()
        losses_of(step)
        assert step.method._seen is None

    def test_old_network_is_let_go(self, second, end):
        step, _ = second()
        assert end(step).carried == {}
        assert step.method._old == []
        assert step.method.targets(step.view, None, step.samples) is step.samples


class TestDomains:
    @pytest.fixture
    def night(self, begin, train, end):
        protocol = build_protocol({
            "type": "Custom", "scenario": "domain", "classes": ["background", "a", "b"],
            "tasks": [["day"], ["night"]],
        })  # fmt: skip
        first = begin({"type": "PLOP"}, protocol=protocol)
        train(first)
        return begin({"type": "PLOP"}, 1, end(first), protocol=protocol)

    def test_labels_and_loss_are_left_as_they_are(self, night, losses_of):
        losses = losses_of(night)
        assert "loss_pod" in losses
        assert "adaptive_factor" not in losses
        outputs = night.view.outputs(night.inputs)
        assert night.method.targets(night.view, outputs, night.samples) is night.samples
        assert night.method.state_dict() == {}

    def test_all_logits_are_distilled_without_a_factor(self, night):
        assert night.method.growth == 1
        night.learner.eval()

        def distance():
            outputs = night.view.outputs(night.inputs)
            return night.method.extra_losses(night.view, outputs, night.samples)["loss_pod"]

        loss = distance()
        loss.backward()
        assert loss.item() == 0
        grads = [p.grad for p in night.network.parameters() if p.grad is not None]
        assert all(grad.abs().max() == 0 for grad in grads)
        with torch.no_grad():
            night.network.decode_head.conv_seg.bias[2] += 1
        assert distance() > 0


class TestNeverNaN:
    @pytest.mark.parametrize("label", [2, 255, 0])
    def test_images_of_one_label_only(self, second, losses_of, label):
        """No background; nothing that counts; nothing but background."""
        step, _ = second()
        step.samples[0].gt_sem_seg.data[:] = label
        self.check(step, losses_of)
        step.samples[1].gt_sem_seg.data[:] = label
        self.check(step, losses_of)

    @pytest.mark.parametrize("scale", [0.0, 1e4])
    def test_teachers_that_are_sure_of_all_or_of_nothing(self, second, losses_of, scale):
        step, _ = second()
        step.method._old[0].network.decode_head.conv_seg.weight.mul_(scale)
        self.check(step, losses_of)

    def test_medians_over_images_without_background(self, second):
        step, _ = second()
        for sample in step.samples:
            sample.gt_sem_seg.data[:] = 2
        found = step.method._find_thresholds(step.context)
        assert found.tolist() == pytest.approx([0.001, 0.001])

    def test_maps_beyond_half_precision(self, second, losses_of):
        step, _ = second()
        for network in (step.network, step.method._old[0].network):
            with torch.no_grad():
                for layer in network.backbone.modules():
                    if isinstance(layer, torch.nn.BatchNorm2d):
                        layer.weight.mul_(3)
        with torch.autocast("cpu", torch.bfloat16):
            losses = losses_of(step)
        assert all(value.isfinite().all() for value in losses.values())

    def check(self, step, losses_of):
        step.learner.zero_grad()
        losses = losses_of(step)
        assert all(value.isfinite().all() for value in losses.values())
        sum(value for name, value in losses.items() if "loss" in name).backward()
        assert all(p.grad.isfinite().all() for p in step.learner.parameters())


@pytest.mark.parametrize(
    "options",
    [
        {"feature_weight": -1}, {"logits_weight": -1}, {"min_threshold": -1}, {"bins": 0},
        {"scales": ()}, {"scales": (0, 1)}, {"entropy": "other"},
    ],
)  # fmt: skip
def test_bad_options_are_refused(options):
    with pytest.raises(InputError, match="method PLOP: "):
        build_method({"type": "PLOP", **options})
