"""VDFD on a network of mmsegmentation, step by step; and its memory of a classifier."""

import pytest
import torch

from tests.distillation import plain


@pytest.fixture
def second(successor):
    """A second step behind a trained first one."""
    return lambda growth="random", **options: successor(
        {"type": "VDFD", **options}, growth, auxiliary=1
    )


def quadratic(step):
    return step.method.penalty.terms()[0].item()


@pytest.mark.parametrize("growth", ["random", "balanced"])
@pytest.mark.parametrize("old_rows", ["free", "penalised"])
def test_the_quadratic_term_is_zero_when_a_step_begins(second, growth, old_rows):
    assert quadratic(second(growth, old_rows=old_rows)) == pytest.approx(0, abs=1e-9)


def test_the_loss_is_the_weighted_sum_of_the_terms_logged(second, train, losses_of):
    step = second(weight=0.5)
    train(step)
    losses = losses_of(step)
    expected = 0.5 * (losses["vdfd_quadratic"] - losses["vdfd_log_det"])
    assert losses["loss_vdfd"].item() == pytest.approx(expected.item(), rel=1e-5)


def rows(step, where):
    parameters = dict(step.network.named_parameters())
    return [parameters[name].detach()[where].clone() for name in step.adapter.rows]


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_frozen_rows_stay_bit_for_bit(second, train, optimizer):
    """Those of the auxiliary head as well."""
    step = second(old_rows="frozen")
    old, new = rows(step, slice(0, 2)), rows(step, slice(2, 3))
    train(step, updates=3, optimizer=optimizer, weight_decay=0.1)
    assert len(old) == 4
    assert all(map(torch.equal, old, rows(step, slice(0, 2))))
    assert not any(map(torch.equal, new, rows(step, slice(2, 3))))


@pytest.mark.parametrize("growth", ["random", "balanced"])
def test_penalised_rows_displace_the_mean_logits_exactly(second, growth):
    step = second(growth, old_rows="penalised", precision="identity")
    first = step.first
    first.network.eval()
    with torch.no_grad():
        features = [first.adapter.outputs(x).embedding for x, _ in first.context.batches()]
    feature = torch.cat(features).mean((0, 2, 3))
    classifier = step.network.decode_head.conv_seg
    change = 0.1 * torch.rand(3, classifier.weight.shape[1], 1, 1)
    shift = torch.tensor([0.3, -0.2, 5.0])
    with torch.no_grad():
        classifier.weight += change
        classifier.bias += shift
    expected = (change.flatten(1) @ feature + shift)[:2].square().sum()
    assert quadratic(step) == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(("accumulation", "penalised"), [("sum", [2, 1]), ("last", [1])])
def test_memories_of_all_tasks_are_carried(begin, train, end, accumulation, penalised):
    """The released class-incremental code penalises the last of them alone."""
    cfg, previous = {"type": "VDFD", "accumulation": accumulation}, None
    for number in range(2):
        step = begin(cfg, number, previous)
        train(step)
        previous = end(step)
    assert [memory["outputs"] for memory in previous.carried["memories"]] == [[0, 1], [2]]
    third = begin(cfg, 2, previous)
    assert third.method.penalty.sizes == penalised
    assert third.method.penalty.quadratic_factor == 4 / len(penalised) ** 2


def test_a_memory_is_small_and_of_no_more_images_than_the_limit(begin, end):
    step = begin({"type": "VDFD", "images": 1})
    memory = end(step).carried["memories"][0]
    assert memory["images"] == 1
    kept = sum(t.numel() for part in ("left", "right") for t in memory[part].values())
    assert kept < 0.25 * sum(p.numel() for p in step.network.parameters())


@pytest.mark.parametrize("scenario", ["task", "class"])
@pytest.mark.parametrize("rotations", [False, True])
def test_the_memory_of_a_classifier_is_the_gradient_of_its_mean_logits(
    successor, tiny_classification, scenario, rotations
):
    cfg = {"type": "VDFD", "precision": "identity", "rank": 2}
    second = successor(cfg, data=tiny_classification(scenario), rotations=rotations)
    first, previous = second.first, second.previous
    network = first.network.eval()
    images = torch.cat([inputs for inputs, _ in first.context.batches()])
    params = {k: p for k, p in network.named_parameters() if not k.startswith("heads")}
    gradients = plain.mean_gradients(network, params, network, [images], [0, 1])
    moved = dict(second.network.named_parameters())
    with torch.no_grad():
        for name in params:
            moved[name] += 0.02 * torch.rand(moved[name].shape)
    displacement = 0.0
    for name, gradient in gradients.items():
        # Two classes at rank 2: nothing is lost but the places within a kernel.
        mean = plain.per_filter_mean(gradient)
        full = plain.expanded(mean, params[name])
        change = (moved[name] - previous.state[name]).detach().double()
        displacement = displacement + (full * change).reshape(2, -1).sum(1)
    expected = displacement.square().sum().item()
    assert expected > 1e-4
    found = second.method.extra_losses(second.adapter, None, None)["vdfd_quadratic"].item()
    assert found == pytest.approx(expected, rel=1e-3)
