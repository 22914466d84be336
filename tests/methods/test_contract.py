"""What every registered method promises. A new method is tested by being registered."""

import pytest
import torch

from vdfd_seg.methods.common.training_memory import held_bytes
from vdfd_seg.registry import METHODS

CASES = [
    (name, case)
    for name, kind in sorted(METHODS.module_dict.items())
    for problem in kind.problems
    for case in {"segmentation": ["segmentation"], "classification": ["task", "class"]}[problem]
]
"""A method with ``"segmentation"``, or with the scenario of classification."""

pytestmark = pytest.mark.parametrize(("name", "case"), CASES)


def tensors(value):
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors(item)


def classifier_of(step):
    """The layer with the rows of the newest classes."""
    network = step.network
    return network.heads[-1] if step.data else network.decode_head.conv_seg


@pytest.fixture
def start(begin, tiny_classification, name, case):
    """Begin a step of the case with the method's defaults."""
    data = None if case == "segmentation" else tiny_classification(case)

    def make(step=0, previous=None):
        return begin({"type": name}, step, previous, data=data)

    return make


@pytest.fixture
def second(start, train, end):
    """A trained first step and its successor."""
    first = start()
    train(first)
    previous = end(first)
    return first, previous, start(1, previous)


def test_losses_are_finite_and_reach_network_and_method(second, train, losses_of):
    _, _, step = second
    for number in (0, 1):
        step.learner.zero_grad()
        losses = losses_of(step)
        summed = [value for key, value in losses.items() if "loss" in key]
        assert summed
        assert all(value.ndim == 0 for value in summed)
        assert all(value.isfinite().all() for value in losses.values())
        sum(summed).backward()
        missing = [
            key for key, p in step.learner.named_parameters() if p.requires_grad and p.grad is None
        ]
        # Under DistributedDataParallel a parameter without a gradient is an error.
        assert missing == []
        assert step.adapter.classifier()[0].requires_grad
        assert classifier_of(step).weight.grad[-1].abs().sum() > 0
        if number == 0:
            train(step, updates=1)


def test_training_lowers_the_loss(start, train, losses_of):
    step = start()

    def total():
        return sum(value.item() for key, value in losses_of(step).items() if "loss" in key)

    before = total()
    train(step, updates=12, lr=0.1)
    assert total() < before


def test_losses_under_autocast_are_finite_and_near_those_without(second, losses_of):
    _, _, step = second
    expected = losses_of(step)
    with torch.autocast("cpu", torch.bfloat16):
        losses = losses_of(step)
    for key, value in losses.items():
        assert value.dtype in (torch.float32, torch.float64), key
        # An accuracy is in percent: a few pixels of two small images.
        atol = 1.0 if "acc" in key else 0.05
        assert torch.allclose(value, expected[key], rtol=0.1, atol=atol), key
    sum(value for key, value in losses.items() if "loss" in key).backward()
    assert all(p.grad.isfinite().all() for p in step.learner.parameters() if p.grad is not None)


def test_carried_state_is_not_bound_to_the_network(second, train):
    first, previous, _ = second
    before = [tensor.clone() for tensor in tensors(previous.carried)]
    train(first, updates=2)
    assert all(map(torch.equal, tensors(previous.carried), before))


def test_images_are_kept_only_where_declared(second, tiny_data):
    first, previous, step = second
    stored = step.method.stored_data_bytes(step.data or tiny_data(), 1)
    if "old_images" in step.method.requires:
        assert stored > 0
        return
    assert stored == 0
    images = first.inputs.flatten(2)
    for tensor in tensors(previous.carried):
        # Neither a map nor a row of the batch's pixels.
        assert tensor.is_floating_point() and tensor.ndim <= 2
        flat = tensor.flatten().float()
        for pixels in images.flatten(0, 1):
            assert not torch.isin(pixels[:64], flat).all()


def test_the_old_network_is_kept_only_where_declared(second):
    # `begin` gives methods that do not declare it an old network that cannot be had.
    _, previous, step = second
    body = {k: v for k, v in previous.state.items() if v.ndim == 4 and "conv_seg" not in k}
    held = list(tensors(previous.carried))
    if "old_weights" not in step.method.requires:
        held += step.method.state_dict().values()
    for value in body.values():
        kept = [t for t in held if t.shape == value.shape or t.numel() == value.numel() > 64]
        assert not any(torch.equal(t.flatten(), value.flatten()) for t in kept)
    if "old_network" not in step.method.requires:
        modules = list(step.method.modules())
        assert not any(isinstance(module, type(step.network)) for module in modules)


def test_the_old_network_is_let_go_when_the_step_ends(second, end):
    _, previous, step = second
    if "old_network" in step.method.requires:
        end(step)
        assert held_bytes(step.method, step.network) < size(previous.state.values()) / 2


def size(tensors):
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def test_what_is_held_while_a_step_trains_is_what_is_declared(second, start, train):
    _, previous, step = second
    train(step, updates=1)
    held, method = held_bytes(step.method, step.network), step.method
    least = most = 0
    if "old_network" in method.requires:
        # Its batch norms may be folded into its convolutions.
        least = size(value for value in previous.state.values() if value.ndim > 1)
        # With what is no part of the state, such as the colours' mean; and PLOP's thresholds.
        most += size(previous.state.values()) + 256
    if "old_weights" in method.requires:
        # Importances and the weights themselves; SI's path besides.
        most += 3 * size(step.network.parameters())
    # A graph network, and the moments of its Adam; the graphs of its classes.
    most += 3 * size(method.parameters()) + size(method.buffers())
    if "old_outputs" in method.requires:
        # An old class's logit of two bytes at every position of every view; at most the
        # classifier's inputs and a logit next to them.
        outputs = step.adapter.outputs(step.inputs)
        cached = outputs.logits[:, : step.context.num_old or None]
        least = 2 * cached.numel() * method.num_views
        width = outputs.embedding.shape[1] + 1 if not step.data else 0
        most += max(least, 2 * cached[:, 0].numel() * width * method.num_views)
    if "features" in method.requires:
        # Two bytes a feature and one for the label, at every position of every view.
        embedding = step.adapter.outputs(step.inputs).embedding
        least = (2 * embedding.numel() + embedding[:, 0].numel()) * method.num_views
        most += least
    if previous.carried:
        # A memory as it is computed with: VDFD pads each parameter to blocks of 32 filters.
        blocks = 256 * len(list(step.network.parameters()))
        most += 4 * size(tensors(previous.carried)) + blocks
    assert least <= held <= most
    holds = method.requires & {"old_network", "old_outputs", "old_weights", "features"}
    if not (previous.carried or holds):
        assert held == 0
    fresh = start()
    if not ("old_weights" in method.requires or list(fresh.method.parameters())):
        assert held_bytes(fresh.method, fresh.network) == 0
