"""Equality with numbers computed by the released task-incremental code."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from vdfd_seg.distillation import (
    GradientMemory,
    MeanGradientEstimator,
    VariationalDistillationLoss,
    penalisable_parameters,
)
from vdfd_seg.distillation.kernels import layouts_of

TOLERANCE = 1e-4
SHARED = Path(os.environ.get("VDFD_SEG_SHARED") or Path(__file__).resolve().parents[3] / "shared")


@pytest.fixture(scope="module", params=["a", "b"])
def reference(request) -> dict[str, torch.Tensor]:
    """Numbers computed with the released task-incremental code."""
    path = SHARED / "reference" / f"vdfd_reference_{request.param}.npz"
    if not path.is_file():
        pytest.skip(f"REFERENCE NOT CHECKED: {path} is missing (set VDFD_SEG_SHARED)")
    with np.load(path) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}


class SmallNet(nn.Module):
    """The network that the reference vectors were computed with."""

    def __init__(self, tasks: int, classes: int):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 16, 3, stride=2, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(16)
        self.fc = nn.Linear(16, 24)
        heads = {str(t + 1): nn.Linear(24, classes, bias=False) for t in range(tasks)}
        self.last = nn.ModuleDict(heads)

    def forward(self, images, task):
        hidden = torch.relu(self.bn1(self.conv1(images)))
        hidden = torch.relu(self.bn2(self.conv2(hidden))).mean((2, 3))
        return self.last[str(task + 1)](torch.relu(self.fc(hidden)))


def state_of(reference, prefix):
    prefix += "/state/"
    return {k.removeprefix(prefix): v for k, v in reference.items() if k.startswith(prefix)}


def network(reference, prefix):
    state = state_of(reference, prefix)
    heads = [name for name in state if name.startswith("last.")]
    module = SmallNet(len(heads), int(reference["num_classes"])).eval()
    module.load_state_dict(state)
    return module


def close(actual, expected):
    expected = expected.double()
    error = (actual.double() - expected).norm() / expected.norm()
    assert error <= TOLERANCE, f"relative error {error:.2e}"


def estimate(reference, task):
    module = network(reference, f"task{task}")
    params = penalisable_parameters(module, exclude=["last"])
    classes = int(reference["num_classes"])
    with MeanGradientEstimator(module, params, range(classes)) as estimator:
        for batch in reference[f"task{task}/inputs"]:
            estimator.update(lambda images: module(images, task), batch)
    return estimator, module, params


def given_memory(reference, task):
    """The memory with the reference's factors as given: theirs are from a randomised SVD."""
    module = network(reference, f"task{task}")
    params = penalisable_parameters(module, exclude=["last"])
    key = f"task{task}/{{}}/{{}}"
    singular = {name: reference[key.format("singular", name)] for name in params}
    return GradientMemory(
        left={n: reference[key.format("left", n)] * singular[n] for n in params},
        right={n: reference[key.format("right", n)] for n in params},
        layouts=layouts_of(module, params),
        projection_star=reference[f"task{task}/projection_star"].double(),
        outputs=list(range(int(reference["num_classes"]))),
        prototypes=reference["prototypes"][task],
    )


def reference_loss(reference):
    module = network(reference, "current")
    params = penalisable_parameters(module, exclude=["last"])
    tasks = int(reference["num_tasks"])
    memories = [given_memory(reference, task) for task in range(tasks)]
    loss = VariationalDistillationLoss(memories, params, eps=float(reference["eps"]))
    gcn = {
        "conv1.lin.weight": "gcn_layer1.linear.weight",
        "conv1.bias": "gcn_layer1.linear.bias",
        "conv2.lin.weight": "gcn_layer2.linear.weight",
        "conv2.bias": "gcn_layer2.linear.bias",
    }
    loss.precision_model.load_state_dict({k: reference[f"gcn/{v}"] for k, v in gcn.items()})
    return loss, params, gcn


def test_mean_gradients(reference):
    for task in range(int(reference["num_tasks"])):
        estimator, _, params = estimate(reference, task)
        gradients = estimator.mean_gradients()
        assert list(gradients) == list(params)
        for name, gradient in gradients.items():
            close(gradient, reference[f"task{task}/mean_gradient/{name}"])


def test_compression_is_the_best_of_its_rank(reference):
    """Theirs is a randomised decomposition, and not close; the exact one must not be worse."""
    for task in range(int(reference["num_tasks"])):
        estimator, _, params = estimate(reference, task)
        memory = estimator.compute(prototypes=reference["prototypes"][task])
        for name in params:
            parts = (reference[f"task{task}/{p}/{name}"] for p in ("left", "singular", "right"))
            left, singular, right = parts
            full = reference[f"task{task}/mean_gradient/{name}"]
            ours = (full - memory.mean_gradient(name)).norm()
            assert ours <= (full - (left * singular) @ right).norm() * (1 + TOLERANCE)
            best = torch.linalg.svdvals(full.double())[1:].norm()
            close(ours, best)


def test_projection_of_given_factors(reference):
    for task in range(int(reference["num_tasks"])):
        memory = given_memory(reference, task)
        params = penalisable_parameters(network(reference, f"task{task}"), exclude=["last"])
        projection = sum(
            memory.mean_gradient(name).t() @ memory.layouts[name].sums(p.detach(), torch.float32)
            for name, p in params.items()
        )
        close(projection, reference[f"task{task}/projection_star"])


def test_precision(reference):
    loss, _, _ = reference_loss(reference)
    close(torch.stack(loss.precisions()), reference["precision_without_eps"])


def test_loss_and_its_gradients(reference):
    loss, params, gcn = reference_loss(reference)
    total = loss()
    close(total.detach(), reference["loss"])
    total.backward()
    for name, parameter in params.items():
        close(parameter.grad, reference[f"grad/model/{name}"])
    for ours, theirs in gcn.items():
        close(loss.precision_model.get_parameter(ours).grad, reference[f"grad/gcn/{theirs}"])
    assert not {id(p) for p in loss.parameters()} & {id(p) for p in params.values()}
