"""Kernel sums of many parameters: against each alone, and their gradient, added in two ways."""

import copy
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from tests.distillation.test_loss import problem
from tests.kernels import Kernels
from vdfd_seg.distillation import GradientMemory, VariationalDistillationLoss
from vdfd_seg.distillation.kernel_sums import KernelSums
from vdfd_seg.distillation.kernels import layouts_of
from vdfd_seg.engine.run.optimisation import DeviceAmpOptimWrapper
from vdfd_seg.hooks import MethodHook
from vdfd_seg.methods import VDFD


def kinds() -> nn.Module:
    """Every kind of layer, in double precision, some of it channels-last."""
    torch.manual_seed(0)
    net = nn.ModuleDict(
        {
            "plain": nn.Conv2d(3, 4, 3),
            "last": nn.Conv2d(4, 5, 3).to(memory_format=torch.channels_last),
            "depthwise": nn.Conv2d(4, 4, 3, groups=4),
            "up": nn.ConvTranspose2d(6, 4, 2, groups=2),
            "pieces": nn.Conv2d(16, 3, 1),
            "pieces_up": nn.ConvTranspose2d(4, 6, 4, groups=2),
            "last_up": nn.ConvTranspose2d(6, 4, 2, groups=2).to(memory_format=torch.channels_last),
            "linear": nn.Linear(7, 3),
            "apart": nn.Conv2d(5, 3, 1),
            "norm": nn.LayerNorm((2, 3)),
            "same": nn.Conv2d(4, 6, 3),
        }
    )
    net.register_parameter("scale", nn.Parameter(torch.tensor(2.0)))
    return net.double()


def sums_of(net: nn.Module, together: bool) -> tuple[KernelSums, dict]:
    params = dict(net.named_parameters())
    layouts = layouts_of(net, params)
    layouts["apart.weight"] = replace(layouts["apart.weight"], apart=True)
    last = ["last.weight", "last_up.weight"]
    return KernelSums(layouts, torch.float64, 4, together, last), params


@pytest.fixture
def as_on_a_gpu(monkeypatch):
    """All parameters are taken together."""

    def together(layouts, dtype, block, together, channels_last):
        return KernelSums(layouts, dtype, block, True, channels_last)

    monkeypatch.setattr("vdfd_seg.distillation.displacement.KernelSums", together)


both = pytest.mark.parametrize("together", [False, True], ids=["one by one", "together"])


@both
def test_sums_are_those_of_each_parameter(together):
    sums, params = sums_of(kinds(), together)
    found = sums(params)
    layouts = sums.layouts.items()
    for part, (name, layout) in zip(sums.by_parameter(found), layouts, strict=True):
        torch.testing.assert_close(part.flatten(), layout.sums(params[name], torch.float64))
        part.data.zero_()
    assert not found.any()
    assert len(found) % 4 == 0


@both
def test_finite_differences(together):
    sums, params = sums_of(kinds(), together)
    names = list(params)

    def function(*tensors):
        return sums(dict(zip(names, tensors, strict=True)))

    assert torch.autograd.gradcheck(function, tuple(params.values()))


@both
def test_the_deferred_gradient_is_that_of_autograd_and_accumulates(together):
    """Twice, next to another gradient; a frozen parameter has none."""
    found = []
    for deferred in (False, True):
        net = kinds()
        net["linear"].weight.requires_grad_(False)
        sums, params = sums_of(net, together)
        for _ in range(2):
            values = sums(params)
            other = sum(p.square().sum() for p in params.values() if p.ndim > 1)
            loss = (values * torch.arange(len(values))).sum() + other
            if deferred:
                with sums.deferred(params):
                    loss.backward()
            else:
                loss.backward()
        found.append({name: p.grad for name, p in params.items()})
    assert found[0]["linear.weight"] is found[1]["linear.weight"] is None
    torch.testing.assert_close(found[1], found[0])


def test_a_gradient_of_an_aborted_backward_pass_is_not_added_later():
    sums, params = sums_of(kinds(), together=False)

    class Boom(torch.autograd.Function):
        @staticmethod
        def forward(ctx, value):
            return value.clone()

        @staticmethod
        def backward(ctx, gradient):
            raise RuntimeError("boom")

    with pytest.raises(RuntimeError, match="boom"), sums.deferred(params):
        (sums(params).sum() + Boom.apply(params["scale"])).backward()
    with sums.deferred(params):
        params["scale"].square().backward()
    assert params["linear.weight"].grad is None


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"clip_grad": {"max_norm": 0.05}},
        {"accumulative_counts": 3},
        {"type": "amp", "clip_grad": {"max_norm": 0.05}, "accumulative_counts": 2},
    ],
    ids=["plain", "clipped", "accumulated", "amp"],
)
@pytest.mark.parametrize("taken", ["one by one", "together"])
def test_trained_weights_are_those_of_autograd(options, taken, request):
    """Six iterations of the loss next to the network's own, through MMEngine's wrappers."""
    options = dict(options)
    wrapper = DeviceAmpOptimWrapper if options.pop("type", "") == "amp" else OptimWrapper
    weights = []
    for deferred in (False, True):
        if deferred and taken == "together":
            request.getfixturevalue("as_on_a_gpu")
        module, params, memories = problem()
        penalty = VariationalDistillationLoss(memories, params)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.01, momentum=0.9)
        wrapped = wrapper(optimizer=optimizer, **copy.deepcopy(options))
        wrapped.initialize_count_status(module, 0, 6)
        method = VDFD()
        method.penalty = penalty
        if deferred:
            learner = SimpleNamespace(method=method, adapter=SimpleNamespace(network=module))
            MethodHook().before_train(SimpleNamespace(model=learner, optim_wrapper=wrapped))
        torch.manual_seed(0)
        for images in torch.randn(6, 2, 3, 10, 10, dtype=torch.float64):
            with wrapped.optim_context(module):
                loss = module(images).square().mean() + penalty()
            wrapped.update_params(loss)
        weights.append(module.state_dict())
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-6, atol=1e-7)


def many_shapes() -> nn.Module:
    widths = (8, 12, 16, 20)
    return nn.ModuleList([nn.Conv2d(a, b, k) for a in widths for b in widths for k in (1, 3)])


@pytest.mark.parametrize(
    ("tasks", "rank", "penalised", "options"),
    [
        (5, 1, False, {}),
        (20, 1, False, {}),
        (5, 1, True, {}),
        (5, 3, True, {"accumulation": "last", "precision": {"type": "GCN", "residual": True}}),
    ],
)
@pytest.mark.parametrize("network", [many_shapes, kinds])
def test_at_most_60_operations_whatever_the_network_the_options_and_the_number_of_tasks(
    network, tasks, rank, penalised, options, as_on_a_gpu
):
    """Of the method's penalty forward and backward; two more train the graph network."""
    torch.manual_seed(0)
    body = network().float()
    params = dict(body.named_parameters())
    layouts = layouts_of(body, params)
    memories = [memory_of(layouts, 2 + i % 3, rank, penalised) for i in range(tasks)]
    if penalised:
        params.update(nn.ModuleDict({"head": nn.Conv2d(16, 6, 1)}).named_parameters())
    method = VDFD(weight=0.5)
    method.penalty = VariationalDistillationLoss(memories, params, **options)
    optimizer = method.penalty.precision.optimizer(method.penalty.parameters())
    for parameter in params.values():
        parameter.grad = torch.zeros_like(parameter)
    for _ in range(2):
        optimizer.zero_grad()
        with Kernels() as kernels, method.around_backward():
            method.extra_losses(None, None, None)["loss_vdfd"].backward()
        with Kernels() as training:
            optimizer.step()
    assert len(kernels.names) <= 60, kernels.names
    assert "_local_scalar_dense" not in kernels.names  # nothing waits for the device
    assert training.names == ["_foreach_add_", "_fused_adam_"]


def memory_of(layouts, classes: int, rank: int, penalised: bool) -> GradientMemory:
    left, right = {}, {}
    for name, layout in layouts.items():
        left[name], right[name] = torch.randn(layout.filters, rank), torch.randn(rank, classes)
    rows = torch.randn(classes, 16)
    names = ["head.weight", "head.bias"]
    head = {"mean_feature": rows[0], "rows": rows, "bias": torch.randn(classes), "names": names}
    return GradientMemory(
        left, right, layouts, torch.zeros(classes, dtype=torch.float64), list(range(classes)),
        prototypes=rows, classifier=head if penalised else None,
    )  # fmt: skip
