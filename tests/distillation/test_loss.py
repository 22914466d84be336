"""The loss equals its plainly written definition, and finite differences confirm its gradients."""

from dataclasses import replace

import pytest
import torch

from tests.distillation import plain
from tests.distillation.test_estimator import estimated
from vdfd_seg.distillation import (
    MemoryMismatchError,
    VariationalDistillationLoss,
    penalisable_parameters,
)
from vdfd_seg.errors import InputError


def classifier_of(module, outputs, feature):
    return {
        "mean_feature": feature,
        "rows": module.head.weight.detach()[outputs].flatten(1).clone(),
        "bias": module.head.bias.detach()[outputs].clone(),
        "names": ["head.weight", "head.bias"],
    }


def perturb(module, scale=0.05, seed=3):
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))


def problem(ranks=(1, 2), classes=((0, 1, 2), (1, 3)), double=True, classifier=False):
    """A network moved away from where the memories of two tasks were taken."""
    module = plain.zoo()
    module = module.double() if double else module
    dtype = torch.float64 if double else torch.float32
    params = penalisable_parameters(module, exclude=["head"])
    memories = []
    for rank, outputs in zip(ranks, classes, strict=True):
        outputs = list(outputs)
        torch.manual_seed(rank)
        images = torch.randn(2, 3, 10, 10, dtype=dtype)
        estimator = estimated(module, params, [images], outputs)
        part = None
        if classifier:
            shape = (10,) if rank == 1 else (len(outputs), 10)
            part = classifier_of(module, outputs, torch.randn(shape, dtype=dtype))
        prototypes = module.head.weight.detach()[outputs].flatten(1)
        memories.append(estimator.compute(rank, prototypes, part))
        perturb(module)
    if classifier:
        params = {**params, "head.weight": module.head.weight, "head.bias": module.head.bias}
    return module, params, memories


def gcn_state(loss):
    model = loss.precision_model
    return None if model is None else dict(model.named_parameters())


@pytest.mark.parametrize("classifier", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"precision": "identity"},
        {"precision": {"type": "GCN", "residual": True}},
        {"precision": {"type": "GCN", "widths": (7, 2)}, "eps": 1e-6},
    ],
)
def test_loss_and_gradients_equal_the_plain_ones(options, classifier):
    module, params, memories = problem(classifier=classifier)
    loss = VariationalDistillationLoss(memories, params, **options).double()
    perturb(module, 0.02, seed=5)
    quadratic, log_det = loss.terms()
    gcn = gcn_state(loss)
    eps, residual = options.get("eps", 1e-3), "residual" in options.get("precision", {})
    expected = plain.loss(memories, params, gcn, eps, residual)
    torch.testing.assert_close(quadratic, expected[0], rtol=1e-6, atol=0)
    torch.testing.assert_close(log_det, torch.as_tensor(expected[1]).double(), rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(loss(), quadratic - log_det)
    wanted = {**params, **(gcn or {})}
    plain_total = expected[0] - expected[1]
    ours = torch.autograd.grad(loss(), list(wanted.values()), allow_unused=True)
    theirs = torch.autograd.grad(plain_total, list(wanted.values()), allow_unused=True)
    for name, a, b in zip(wanted, ours, theirs, strict=True):
        if b is None:
            assert a is None or not a.any()
        else:
            assert (a - b).norm() <= 1e-5 * b.norm() + 1e-10, name


@pytest.mark.parametrize("residual", [False, True])
def test_finite_differences(residual):
    module, params, memories = problem(classifier=True)
    widths = (5, module.head.weight.shape[1] if residual else 2)
    precision = {"type": "GCN", "residual": residual, "widths": widths}
    loss = VariationalDistillationLoss(memories, params, precision)
    gcn = gcn_state(loss.double())
    chosen = [params[n] for n in ("depthwise.weight", "up.weight", "bn.bias", "head.bias", "scale")]

    def total(*_):
        return loss()

    assert torch.autograd.gradcheck(total, (*chosen, *gcn.values()), rtol=1e-4, atol=1e-5)


def test_displacement_is_the_first_order_change_of_the_mean_logits():
    """With full rank, and weights moved equally within each filter, no approximation is left."""
    module = plain.zoo().double()
    params = penalisable_parameters(module, exclude=["head"])
    images = torch.randn(4, 3, 10, 10, dtype=torch.float64)
    estimator = estimated(module, params, [images], range(4))
    memory = estimator.compute(rank=4)
    loss = VariationalDistillationLoss([memory], params, precision="identity")
    module.eval()
    before = module(images).mean((0, 2, 3))
    with torch.no_grad():
        for name, parameter in params.items():
            layout = estimator._probes.layouts[name]
            amount = 1e-6 * torch.randn(layout.filters, dtype=torch.float64)
            parameter.add_(plain.expanded(amount[:, None], parameter, layout.groups)[0])
    change = module(images).mean((0, 2, 3)) - before
    torch.testing.assert_close(loss.displacements()[0], change.detach(), rtol=1e-3, atol=1e-9)


def test_float32_displacement_is_that_of_float64():
    module, params, memories = problem(ranks=(1,), classes=((0, 1, 2),), double=False)
    doubled = {name: parameter.detach().double().clone() for name, parameter in params.items()}
    loss = VariationalDistillationLoss(memories, params, precision="identity")
    exact = VariationalDistillationLoss(memories, doubled, precision="identity")
    perturb(module, 1e-6)
    with torch.no_grad():
        for name, value in doubled.items():
            value.copy_(params[name])
    torch.testing.assert_close(
        loss.displacements()[0].double(), exact.displacements()[0], rtol=1e-5, atol=1e-8
    )


def test_released_class_incremental_accumulation():
    _, params, memories = problem(classes=((0, 1, 2), (1, 2, 3)))
    torch.manual_seed(0)
    loss = VariationalDistillationLoss(memories, params, accumulation="last").double()
    alone = VariationalDistillationLoss(memories[-1:], params).double()
    alone.load_state_dict(loss.state_dict())
    quadratic, log_det = loss.terms()
    torch.testing.assert_close(quadratic, 4 * alone.terms()[0])
    torch.testing.assert_close(log_det, alone.terms()[1])


def test_classifier_may_grow_and_be_anchored_anew():
    def displacements(memories, params):
        return VariationalDistillationLoss(memories, params, precision="identity").displacements()

    module, params, memories = problem(classifier=True)
    with torch.no_grad():
        more = torch.randn_like(module.head.weight)
        weight = torch.nn.Parameter(torch.cat([module.head.weight, more]))
        bias = torch.nn.Parameter(torch.cat([module.head.bias, torch.randn(4).double()]))
    grown = {**params, "head.weight": weight, "head.bias": bias}
    before, after = displacements(memories, params), displacements(memories, grown)
    torch.testing.assert_close(before, after)
    with torch.no_grad():
        bias[1] += 2.0
    moved = displacements(memories, grown)
    torch.testing.assert_close(moved[1] - after[1], torch.tensor([2.0, 0.0]).double())
    again = [memory.reanchored(grown) for memory in memories]
    bodies = [replace(memory, classifier=None) for memory in memories]
    of_bodies = {name: each for name, each in params.items() if not name.startswith("head")}
    torch.testing.assert_close(displacements(again, grown), displacements(bodies, of_bodies))


def test_same_in_autocast():
    _, params, memories = problem(double=False)
    torch.manual_seed(0)
    loss = VariationalDistillationLoss(memories, params)
    expected = loss()
    for dtype in (torch.bfloat16, torch.float16):
        with torch.autocast("cpu", dtype):
            found = loss()
        assert found.dtype == torch.float32
        assert torch.equal(found, expected)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"memories": []}, "at least one old task"),
        ({"precision": "gcm"}, "unknown precision 'gcm'"),
        ({"precision": {"type": "GCN", "width": 2}}, "precision GCN: .*'width'"),
        ({"precision": {"type": "identity", "lr": 1.0}}, r"identity has no options, but \['lr'\]"),
        ({"precision": {"type": "GCN", "weight_decay": -1.0}}, "precision GCN: weight_decay="),
        ({"precision": {"type": "GCN", "widths": (0, 3)}}, "precision GCN: widths="),
        ({"accumulation": "mean"}, "unknown accumulation"),
        ({"eps": 0}, "eps"),
    ],
)
def test_bad_options_are_refused(options, message):
    _, params, memories = problem()
    with pytest.raises(InputError, match=message):
        VariationalDistillationLoss(**{"memories": memories, "params": params, **options})


def test_memories_that_do_not_fit_are_refused():
    _, params, memories = problem()
    memories[0].prototypes = None
    with pytest.raises(InputError, match="needs prototypes"):
        VariationalDistillationLoss(memories, params)
    del params["bn.weight"]
    with pytest.raises(MemoryMismatchError, match="bn.weight"):
        VariationalDistillationLoss(memories, params, precision="identity")
