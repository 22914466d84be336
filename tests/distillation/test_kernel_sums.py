"""Kernel sums of many parameters: against each alone, and their gradient, added in two ways."""

import copy
from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from tests.distillation.test_loss import problem
from vdfd_seg.distillation import GradientMemory, VariationalDistillationLoss
from vdfd_seg.distillation.kernel_sums import KernelSums
from vdfd_seg.distillation.kernels import layouts_of
from vdfd_seg.engine.run.optim_wrapper import DeviceAmpOptimWrapper
from vdfd_seg.hooks import MethodHook
from vdfd_seg.methods import VDFD

NO_KERNEL = {
    "view", "_unsafe_view", "detach", "expand", "split", "split_with_sizes", "t", "transpose",
    "unsqueeze", "squeeze", "permute", "empty", "new_empty", "as_strided", "alias", "slice",
}  # fmt: skip
"""Operations that start no kernel."""


class Kernels(TorchDispatchMode):
    """Names of the operations that start a kernel on a GPU."""

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.split("::")[1]
        if name not in NO_KERNEL:
            self.names.append(name)
        return function(*args, **(kwargs or {}))


def kinds() -> nn.Module:
    """Every kind of layer, in double precision, some of it channels-last."""
    torch.manual_seed(0)
    net = nn.ModuleDict(
        {
            "plain": nn.Conv2d(3, 4, 3),
            "last": nn.Conv2d(4, 5, 3).to(memory_format=torch.channels_last),
            "depthwise": nn.Conv2d(4, 4, 3, groups=4),
            "up": nn.ConvTranspose2d(6, 4, 2, groups=2),
            "linear": nn.Linear(7, 3),
            "norm": nn.LayerNorm((2, 3)),
            "same": nn.Conv2d(4, 6, 3),
        }
    )
    net.register_parameter("scale", nn.Parameter(torch.tensor(2.0)))
    return net.double()


def sums_of(net: nn.Module) -> tuple[KernelSums, dict]:
    params = dict(net.named_parameters())
    return KernelSums(layouts_of(net, params), torch.float64), params


def test_sums_are_those_of_each_parameter():
    sums, params = sums_of(kinds())
    alone = [layout.sums(params[name], torch.float64) for name, layout in sums.layouts.items()]
    torch.testing.assert_close(sums(params), torch.cat(alone))


def test_finite_differences():
    sums, params = sums_of(kinds())
    names = list(params)

    def function(*tensors):
        return sums(dict(zip(names, tensors, strict=True)))

    assert torch.autograd.gradcheck(function, tuple(params.values()))


def test_the_deferred_gradient_is_that_of_autograd_and_accumulates():
    """Twice, next to another gradient; a frozen parameter has none."""
    found = []
    for deferred in (False, True):
        net = kinds()
        net["linear"].weight.requires_grad_(False)
        sums, params = sums_of(net)
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
    sums, params = sums_of(kinds())

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
def test_trained_weights_are_those_of_autograd(options):
    """Six iterations of the loss next to the network's own, through MMEngine's wrappers."""
    options = dict(options)
    wrapper = DeviceAmpOptimWrapper if options.pop("type", "") == "amp" else OptimWrapper
    weights = []
    for deferred in (False, True):
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


@pytest.mark.parametrize("tasks", [2, 20])
def test_kernels_do_not_grow_with_layers_or_tasks(tasks):
    """60 for the displacement and its gradient, and as many for the GCN, forward and backward."""
    torch.manual_seed(0)
    widths = (8, 12, 16, 20)
    layers = [nn.Conv2d(a, b, k) for a in widths for b in widths for k in (1, 3)]
    module = nn.ModuleList(layers)
    params = dict(module.named_parameters())
    layouts = layouts_of(module, params)
    memories = [memory_of(params, layouts, classes=3) for _ in range(tasks)]
    counted = []
    for precision in ("identity", "gcn"):
        penalty = VariationalDistillationLoss(memories, params, precision=precision)
        for parameter in params.values():
            parameter.grad = torch.zeros_like(parameter)
        with Kernels() as kernels, penalty.deferred_gradient():
            penalty().backward()
        assert "_local_scalar_dense" not in kernels.names  # nothing waits for the device
        counted.append(len(kernels.names))
    assert counted[0] <= 60
    assert counted[1] - counted[0] <= 80


def memory_of(params, layouts, classes: int) -> GradientMemory:
    left, right = {}, {}
    for name, layout in layouts.items():
        left[name], right[name] = torch.randn(layout.filters, 1), torch.randn(1, classes)
    return GradientMemory(
        left, right, layouts, torch.zeros(classes, dtype=torch.float64), list(range(classes)),
        prototypes=torch.randn(classes, 16),
    )  # fmt: skip
