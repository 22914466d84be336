import pytest
import torch

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
    assert draws_of(samples).tolist() == [4]
    assert torch.allclose(turned.lookup(samples, "cpu"), inputs.mean((1, 2, 3)), atol=1e-3)
