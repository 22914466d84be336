"""Classification and segmentation run the same code of VDFD: there is no copy of it."""

import ast
from pathlib import Path

import pytest
import torch

import vdfd_seg
from tests.distillation import plain

PACKAGE = Path(vdfd_seg.__file__).parent
SOURCES = {
    path.relative_to(PACKAGE): ast.parse(path.read_text(encoding="utf-8"))
    for path in sorted(PACKAGE.rglob("*.py"))
    if ".mim" not in path.parts
}
OWN = ("GradientMemory", "MeanGradientEstimator", "TaskPrecisions", "VariationalDistillationLoss")
WORDS = ("gcn", "graphconv", "gradientmemory", "meangradient", "variationaldistillation")


def outside():
    """Modules that are not of the distillation."""
    return {path: tree for path, tree in SOURCES.items() if path.parts[0] != "distillation"}


def names_in(tree):
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.alias):
            yield from node.name.split(".")
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from node.module.split(".")


def test_the_walk_sees_what_it_looks_for():
    inside = [tree for path, tree in SOURCES.items() if path.parts[0] == "distillation"]
    names = {name for tree in inside for name in names_in(tree)}
    defined = {n.name for tree in inside for n in ast.walk(tree) if isinstance(n, ast.ClassDef)}
    assert {"svd", "GCNConv"} <= names
    assert set(OWN) <= defined
    assert len(outside()) > 50


def test_no_other_module_defines_a_class_or_function_like_those():
    for path, tree in outside().items():
        for node in ast.walk(tree):
            if isinstance(node, (ast.ClassDef, ast.FunctionDef)):
                plain = node.name.lower().replace("_", "")
                assert not any(word in plain for word in WORDS), (path, node.name)
                # VDFD is the method's class, and defined once.
                assert node.name != "VDFD" or path == Path("methods/vdfd.py")


def test_no_other_module_convolves_graphs_or_decomposes_matrices():
    forbidden = ("svd", "svd_lowrank", "svdvals", "pca_lowrank", "GCNConv", "MessagePassing",
                 "torch_geometric", "slogdet", "logdet", "cholesky")  # fmt: skip
    for path, tree in outside().items():
        found = set(names_in(tree)) & set(forbidden)
        if path == Path("engine/run/environment.py"):
            # It says what is installed.
            found -= {"torch_geometric"}
        assert not found, path


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
