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


def now_and_at_the_start(step, start, case):
    """Logits of the old classes of the batch, by the weights of now and of the step's start."""
    torch.manual_seed(1)
    now = step.adapter.outputs(step.inputs).logits
    state = {name: value.clone() for name, value in step.network.state_dict().items()}
    step.network.load_state_dict(start)
    step.network.eval()
    with torch.no_grad():
        before = step.adapter.logits(step.inputs)
    step.network.load_state_dict(state)
    step.network.train()
    return [of_old_classes(logits, step.method.num_old, case) for logits in (now, before)]


def of_old_classes(logits, num_old, case):
    """The background with the new classes' share, written out."""
    if case != "segmentation":
        return logits[:, :num_old]
    background = logits[:, [0, *range(num_old, logits.shape[1])]].exp().sum(1, keepdim=True).log()
    return torch.cat([background, logits[:, 1:num_old]], 1)


@pytest.mark.parametrize("case", CASES)
def test_the_bound_is_to_the_outputs_at_the_start_of_the_step(second, losses_of, case):
    step, start = second(case, divergence=IDENTITY, weight=0.5)
    new, old = now_and_at_the_start(step, start, case)
    expected = 0.5 * (new - old).square().sum(1).mean()
    losses = losses_of(step)
    # The cache is in half precision.
    assert losses["loss_bound"].item() == pytest.approx(expected.item(), rel=2e-2, abs=1e-5)
    assert expected > 1e-4


@pytest.mark.parametrize("case", CASES)
def test_a_categorical_bound_is_distillation_from_the_network_of_the_start(second, losses_of, case):
    step, start = second(case, weight=0.5)
    method = step.method
    new, old = now_and_at_the_start(step, start, case)
    sizes = step.context.protocol.task_sizes(0) if case == "task" else [method.num_old]
    assert method.divergence.groups == sizes
    expected = 0.0
    groups = (logits.double().split(sizes, 1) for logits in (new, old))
    for ours, theirs in zip(*groups, strict=True):
        q, p = ((z / 2).exp() / (z / 2).exp().sum(1, keepdim=True) for z in (ours, theirs))
        expected -= 0.5 * (p * q.log()).sum(1).mean().item()
    assert losses_of(step)["loss_bound"].item() == pytest.approx(expected, rel=2e-3)
    assert method.optimizer is None


@pytest.mark.parametrize(("case", "sizes"), [("task", [2]), ("domain", [4]), ("segmentation", [2])])
def test_each_task_has_a_graph_and_domains_one_of_all_classes(second, case, sizes):
    step, _ = second(case, updates=0, divergence=GAUSSIAN)
    assert step.method.divergence.bound.sizes == sizes
    assert step.network.training


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
        known = len(old.labels)
        assert torch.equal(carried.means[1:known], old.means[1:])
        # Features are cached in half precision.
        close = {"rtol": 1e-2, "atol": 1e-3}
        background = (old.means[0] + features[labels == 0].mean(0)) / 2
        assert torch.allclose(carried.means[0], background, **close)
        for i in range(known, len(carried.labels)):
            own = features[labels == carried.labels[i]]
            assert carried.counts[i] == len(own)
            assert torch.allclose(carried.means[i], own.mean(0), **close)

    def test_a_step_without_gaussians_cannot_be_replayed(self, begin, train, end):
        first = begin({"type": "VDFDPlus", "weight": 0.0})
        train(first)
        with pytest.raises(InputError, match="method.replay=0"):
            begin(self.CFG, 1, end(first))
