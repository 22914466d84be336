"""Mean gradients equal one plain backward pass per class, for every kind of layer."""

import pytest
import torch
from torch import nn

from tests.distillation import plain
from vdfd_seg.distillation import MeanGradientEstimator, penalisable_parameters
from vdfd_seg.errors import InputError

TOLERANCE = 1e-5


def batches(sizes=(2, 3), seed=1):
    generator = torch.Generator().manual_seed(seed)
    for count in sizes:
        yield torch.randn(count, 3, 10, 10, generator=generator)


def estimated(module, params, data, outputs, **options):
    """An estimator that has seen some batches."""
    with MeanGradientEstimator(module, params, outputs, **options) as estimator:
        for images in data:
            estimator.update(module, images)
    return estimator


def compare(module, data, outputs, exclude=(), **options):
    params, data = penalisable_parameters(module, exclude), list(data)
    estimator = estimated(module, params, data, outputs, **options)
    assert estimator.images == sum(map(len, data))
    found = estimator.mean_gradients()
    expected = plain.mean_gradients(module, params, module, data, outputs)
    layouts = estimator._probes.layouts
    for name, gradient in expected.items():
        gradient = plain.per_filter_mean(gradient, layouts[name].groups)
        if name not in found:
            assert not gradient.any()
            continue
        error = (found[name] - gradient).norm() / gradient.norm().clamp_min(1e-12)
        assert error <= TOLERANCE, f"{name}: {error:.2e}"
    return estimator, params, found


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("chunk", [1, 2, 3])
def test_every_kind_of_layer(chunk):
    """Over uneven batches; the batched backward pass needs no fallback, which warns."""
    module = plain.zoo()
    estimator, params, found = compare(module, batches(), [0, 2, 3], ["head"], chunk=chunk)
    assert "frozen.weight" not in params and "head.weight" not in params and "scale" in params
    assert set(params) - set(found) == {"unused.weight", "unused.bias"}
    memory = estimator.compute()
    assert memory.unreached == ["unused.weight", "unused.bias"]
    memory.check(params)


def test_all_is_restored():
    module = plain.zoo().train()
    module.bn.eval()
    state = {name: value.clone() for name, value in module.state_dict().items()}

    def flags():
        modules, parameters = list(module.modules()), list(module.parameters())
        hooks = [len(each._forward_hooks) for each in modules]
        modes = [each.training for each in modules]
        return modes, hooks, [(p.requires_grad, p.grad) for p in parameters]

    before, params = flags(), penalisable_parameters(module)
    with pytest.raises(ZeroDivisionError), MeanGradientEstimator(module, params, [0]) as estimator:
        estimator.update(module, next(batches()))
        raise ZeroDivisionError
    assert flags() == before
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())


@pytest.mark.parametrize("dimensions", [1, 3])
def test_other_numbers_of_dimensions(dimensions):
    torch.manual_seed(0)
    conv = (nn.Conv1d, None, nn.Conv3d)[dimensions - 1]
    transposed = (nn.ConvTranspose1d, None, nn.ConvTranspose3d)[dimensions - 1]
    module = nn.Sequential(
        conv(2, 4, 3, padding=1, groups=2),
        nn.ReLU(inplace=True),
        transposed(4, 6, 3, stride=2, groups=2, dilation=2),
        nn.Tanh(),
        conv(6, 3, 1),
    ).double()
    images = torch.randn(2, 2, *[5] * dimensions, dtype=torch.float64)
    compare(module, [images], [0, 1, 2])


def test_shared_parameter_of_two_layers():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(5, 5), nn.Tanh(), nn.Linear(5, 5), nn.Linear(5, 3))
    module[2].weight = module[0].weight
    assert "2.weight" not in compare(module, [torch.randn(4, 5)], [0, 1, 2])[1]


def test_bfloat16_autocast():
    module, found = plain.zoo(), []
    params = penalisable_parameters(module)
    for enabled in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            estimator = estimated(module, params, batches(), range(4))
        found.append(estimator.mean_gradients()["linear.weight"])
    assert (found[0] - found[1]).norm() < 0.1 * found[0].norm()


class Standardised(nn.Conv2d):
    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight, self.bias)


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(4, 4)

    def forward(self, x):
        return self.a(x) @ self.a.weight


class Padded(nn.Conv2d):
    """Pads by the size of its input."""

    def forward(self, x):
        return super().forward(nn.functional.pad(x, (0, 1, 0, 1)))


@pytest.mark.parametrize(
    ("make", "inputs", "message"),
    [
        (lambda: nn.Sequential(Standardised(3, 4, 3)), (2, 3, 9, 9), "'0.weight': Standardised"),
        (Tied, (2, 4), "'a.weight' is used outside"),
        (
            lambda: nn.Sequential(Padded(3, 2, 3, stride=2)), (1, 3, 8, 8),
            "Padded does not use its weight as Conv2d does",
        ),
    ],
)  # fmt: skip
def test_a_weight_used_otherwise_than_its_layer_does_is_refused(make, inputs, message):
    module = make()
    with pytest.raises(InputError, match=message):
        estimated(module, penalisable_parameters(module), [torch.randn(inputs)], [0])


@pytest.mark.parametrize(
    "make, name",
    [
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.MultiheadAttention(4, 2)), "1.in_proj_weight"),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Embedding(3, 2)), "1.weight"),
        (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "original0"),
    ],
)
def test_unknown_kinds_are_named_or_skipped(make, name):
    module = make()
    with pytest.raises(InputError, match=name):
        penalisable_parameters(module)
    known = penalisable_parameters(module, unknown="skip")
    assert known and not any(name in each for each in known)


def test_wrong_use_is_told():
    module, images = plain.zoo(), next(batches())
    params = penalisable_parameters(module)
    for message, arguments, options in (
        ("chunk", (module, params, [0]), {"chunk": 0}),
        ("at least one parameter", (module, {}, [0]), {}),
        ("does not belong", (plain.zoo(), params, [0]), {}),
    ):
        with pytest.raises(InputError, match=message):
            MeanGradientEstimator(*arguments, **options)
    estimator = MeanGradientEstimator(module, params, [0, 9])
    with pytest.raises(InputError, match="inside its context"):
        estimator.update(module, images)
    with estimator, pytest.raises(InputError, match="no channel 9"):
        estimator.update(module, images)
    with pytest.raises(InputError, match="no image"):
        estimator.compute()
    with pytest.raises(InputError, match="unknown must be"):
        penalisable_parameters(module, unknown="ignore")


def test_diverged_network_is_told_by_name():
    module = plain.zoo()
    with torch.no_grad():
        module.head.weight.fill_(float("inf"))
    params = penalisable_parameters(module, exclude=["head"])
    estimator = estimated(module, params, batches(), [0])
    with pytest.raises(InputError, match="'scale' is not finite"):
        estimator.compute()
