import pytest
import torch

from vdfd_seg.distillation import FeatureGaussians
from vdfd_seg.errors import InputError
from vdfd_seg.methods.common.feature_cache import pixels_of
from vdfd_seg.methods.common.output_cache import OutputCache, draws_of

GAUSSIAN = {"type": "GaussianBound"}
IDENTITY = {"type": "GaussianBound", "precision": "identity"}
CASES = ("segmentation", "task", "class", "domain")


@pytest.fixture
def second(successor, train, tiny_classification, domains):
    """A second step, moved away from its start, and the network that it started from."""

    def make(case, updates=2, **options):
        settings = {}
        if case == "domain":
            settings["protocol"] = domains
        elif case != "segmentation":
            settings["data"] = tiny_classification(case)
        step = successor({"type": "VDFDPlus", **options}, **settings)
        start = {name: value.clone() for name, value in step.network.state_dict().items()}
        train(step, updates)
        return step, start

    return make


def started(step, start):
    """Logits of the batch by the weights at the start of the step."""
    now = {name: value.clone() for name, value in step.network.state_dict().items()}
    step.network.load_state_dict(start)
    step.network.eval()
    with torch.no_grad():
        logits = step.adapter.logits(step.inputs)
    step.network.load_state_dict(now)
    step.network.train()
    return logits


def of_old_classes(logits, num_old, case):
    """The background with the new classes' share, written out."""
    if case != "segmentation":
        return logits[:, :num_old]
    background = logits[:, [0, *range(num_old, logits.shape[1])]].exp().sum(1, keepdim=True).log()
    return torch.cat([background, logits[:, 1:num_old]], 1)


@pytest.mark.parametrize("case", CASES)
def test_the_bound_is_to_the_outputs_at_the_start_of_the_step(second, losses_of, case):
    step, start = second(case, divergence=IDENTITY, weight=0.5)
    num_old = step.method.num_old
    old = of_old_classes(started(step, start), num_old, case)
    torch.manual_seed(1)
    new = of_old_classes(step.adapter.outputs(step.inputs).logits, num_old, case)
    expected = 0.5 * (new - old).square().sum(1).mean()
    losses = losses_of(step)
    # The cache is in half precision.
    assert losses["loss_bound"].item() == pytest.approx(expected.item(), rel=2e-2, abs=1e-5)
    assert expected > 1e-4


@pytest.mark.parametrize("case", CASES)
def test_a_categorical_bound_is_distillation_from_the_network_of_the_start(second, losses_of, case):
    step, start = second(case, weight=0.5)
    method = step.method
    old = of_old_classes(started(step, start), method.num_old, case).double()
    torch.manual_seed(1)
    new = of_old_classes(step.adapter.outputs(step.inputs).logits, method.num_old, case).double()
    sizes = step.context.protocol.task_sizes(0) if case == "task" else [method.num_old]
    assert method.divergence.groups == sizes
    expected = 0.0
    for ours, theirs in zip(new.split(sizes, 1), old.split(sizes, 1), strict=True):
        q, p = ((z / 2).exp() / (z / 2).exp().sum(1, keepdim=True) for z in (ours, theirs))
        expected -= 0.5 * (p * q.log()).sum(1).mean().item()
    assert losses_of(step)["loss_bound"].item() == pytest.approx(expected, rel=2e-3)
    assert method.optimizer is None
    assert not list(method.parameters())


def test_after_a_balanced_start_the_cache_is_what_the_old_network_says(successor):
    """It has no new classes; growth has lowered the background's bias to make room for them."""
    step = successor({"type": "VDFDPlus"}, growth="balanced")
    first = step.first
    first.network.eval()
    step.network.eval()
    inputs, samples = next(iter(step.context.views(step.method.num_views)))
    with torch.no_grad():
        old, grown = first.adapter.logits(inputs), step.adapter.logits(inputs)
    assert torch.allclose(step.method.cache.lookup(samples, "cpu"), old, atol=5e-3)
    assert torch.all(old[:, 0] - grown[:, 0] > 0.5)


@pytest.mark.parametrize(("case", "sizes"), [("task", [2]), ("domain", [4]), ("segmentation", [2])])
def test_each_task_has_a_graph_and_domains_one_of_all_classes(second, case, sizes):
    step, _ = second(case, updates=0, divergence=GAUSSIAN)
    assert step.method.divergence.bound.sizes == sizes
    assert step.network.training


def test_the_first_step_and_a_weight_of_zero_add_nothing(begin, second, losses_of):
    assert "loss_bound" not in losses_of(begin({"type": "VDFDPlus"}))
    step, _ = second("segmentation", weight=0.0)
    assert "loss_bound" not in losses_of(step)
    assert step.method.num_views is None


def test_a_cache_is_in_the_order_of_its_views(second):
    step, _ = second("task")
    batches = list(step.context.views(3))
    turned = OutputCache(reversed(batches), lambda inputs: inputs.mean((1, 2, 3)))
    straight = OutputCache(batches, lambda inputs: inputs.mean((1, 2, 3)))
    assert torch.equal(turned.values, straight.values)
    assert turned.values.dtype == torch.float16
    inputs, samples = batches[4]
    assert draws_of(samples).tolist() == [4 * 3]  # the fifth image's first view of three
    assert torch.allclose(turned.lookup(samples, "cpu"), inputs.mean((1, 2, 3)), atol=1e-3)


def test_outputs_fetched_ahead_are_found_for_two_batches(second):
    step, _ = second("task")
    (_, first), (_, next_one), (_, last), *_ = batches = list(step.context.views(3))
    step.method.cache = cache = OutputCache(batches, lambda inputs: inputs.mean((1, 2, 3)))
    expected = cache.lookup(next_one, "cpu")
    for samples in (first, next_one, last):
        step.method.fetch(samples)
    cache.values.zero_()
    assert torch.equal(cache.lookup(next_one, "cpu"), expected)
    assert cache.lookup(last, "cpu").any()
    assert not cache.lookup(first, "cpu").any()


class TestReplay:
    """Features of old classes, drawn from Gaussians, with a trunk that stays."""

    CFG = {"type": "VDFDPlus", "weight": 0.0, "replay": 64, "num_views": 2}

    @pytest.fixture
    def steps(self, begin, train, end):
        first = begin(self.CFG)
        train(first)
        previous = end(first)
        return previous, begin(self.CFG, 1, previous, growth="balanced")

    def test_the_loss_is_the_cross_entropy_of_draws_over_all_classes(self, steps, losses_of):
        previous, step = steps
        found = losses_of(step)["loss_replay"]
        torch.manual_seed(1)
        gaussians = FeatureGaussians(**previous.carried["replay"])
        features, labels = gaussians.draw(64)
        layer = step.network.decode_head.conv_seg
        logits = layer(features[:, :, None, None])[:, :, 0, 0].double()
        expected = logits.logsumexp(1) - logits.gather(1, labels[:, None])[:, 0]
        assert logits.shape[1] == step.context.protocol.num_classes(1)
        assert found.item() == pytest.approx(expected.mean().item(), rel=1e-4)

    def test_the_gaussians_are_of_the_pixels_of_each_class(self, steps, end):
        previous, step = steps
        pixels = list(pixels_of(step.context, 2))
        features, labels = (torch.cat(parts) for parts in zip(*pixels, strict=True))
        carried = FeatureGaussians(**end(step).carried["replay"])
        old = FeatureGaussians(**previous.carried["replay"])
        assert set(old.labels.tolist()) <= set(step.context.protocol.task_labels(0))
        assert torch.equal(carried.means[1 : len(old.means)], old.means[1:])
        background = features[labels == 0].mean(0)
        half = (old.means[0] + background) / 2
        assert torch.allclose(carried.means[0], half, rtol=1e-2, atol=1e-3)
        assert carried.counts[0] == old.counts[0]
        for label, mean, count in zip(
            carried.labels[len(old.labels) :],
            carried.means[len(old.means) :],
            carried.counts[len(old.counts) :],
            strict=True,
        ):
            own = features[labels == label]
            assert count == len(own)
            # Features are cached in half precision.
            assert torch.allclose(mean, own.mean(0), rtol=1e-2, atol=1e-3)

    def test_the_trunk_stays_and_every_row_trains(self, steps, train):
        _, step = steps
        before = {k: v.clone() for k, v in step.network.state_dict().items()}
        train(step)
        after = step.network.state_dict()
        rows = {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
        assert {k for k in before if not torch.equal(before[k], after[k])} == rows
        assert (
            (before["decode_head.conv_seg.weight"] != after["decode_head.conv_seg.weight"])
            .any(1)
            .all()
        )

    def test_a_step_without_gaussians_cannot_be_replayed(self, begin, train, end):
        first = begin({"type": "VDFDPlus", "weight": 0.0})
        train(first)
        with pytest.raises(InputError, match="method.replay=0"):
            begin(self.CFG, 1, end(first))

    def test_classification_is_refused(self, begin, tiny_classification):
        with pytest.raises(InputError, match="method.gaussians"):
            begin(self.CFG, data=tiny_classification("class"))
