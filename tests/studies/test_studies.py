"""Each script of ``tools/studies`` runs on little, and its main property is there."""

import importlib
import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.runner import IterBasedTrainLoop

from tests.distillation.test_loss import problem
from tests.documented import ROOT
from tests.tiny import tiny_classifier_config, tiny_config, write_config
from vdfd_seg.datasets import write_arrays
from vdfd_seg.distillation import VariationalDistillationLoss
from vdfd_seg.engine import load_run, train_sequence
from vdfd_seg.protocols import cifar
from vdfd_seg.registry import METHODS

pytestmark = pytest.mark.slow
FOLDER = ROOT / "tools/studies"


@pytest.fixture(scope="module")
def study(stack):
    """Import a script by its name; what it registers is taken away at the end."""
    before = set(METHODS.module_dict)
    names = {path.stem for path in FOLDER.glob("*.py")}
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FOLDER))
        yield importlib.import_module
    for name in set(METHODS.module_dict) - before:
        del METHODS.module_dict[name]
    for name in names & set(sys.modules):
        del sys.modules[name]


@pytest.fixture(scope="module")
def trained(study, digits, tmp_path_factory):
    """Train a tiny sequence of digits by ``run.py``: config, work dir and each step's state."""
    folder = tmp_path_factory.mktemp("studies")

    def run(name, scenario="task", **options):
        config = tiny_classifier_config(digits, {"type": name, **options}, scenario)
        file, work = folder / f"{name}_{scenario}.py", folder / f"{name}_{scenario}"
        write_config(file, config)
        assert study("run").main(["train", str(file), "--work-dir", str(work), "--overwrite"]) == 0
        saved = [
            torch.load(work / f"step_{step:02d}/checkpoint.pth", weights_only=True)
            for step in range(3)
        ]
        return file, work, [(each["state_dict"], each["method"]["state"]) for each in saved]

    return run


def test_random_directions(trained):
    """As stiff as the real ones, and others: after the first step, which has no penalty."""
    states = [trained(name)[2] for name in ("VDFD", "VDFDRandomDirections")]
    assert all(torch.equal(v, states[1][0][0][k]) for k, v in states[0][0][0].items())
    real, random = (state[0][1]["memories"][0] for state in states)
    for name, left in real["left"].items():
        ours, other = (m["left"][name] @ m["right"][name] for m in (real, random))
        assert other.norm() == pytest.approx(ours.norm().item(), rel=1e-4)
        assert left.numel() == 1 or not torch.allclose(ours, other)


@pytest.mark.parametrize("by", ["number", "entry"])
def test_proximal_step(study, trained, by):
    """The implicit step solves its own optimality condition; a run with it trains."""
    _, params, memories = problem(classifier=True)
    loss = VariationalDistillationLoss(memories, params).double()
    before = {name: p.detach().clone() for name, p in params.items()}
    sizes = {name: 0.02 * torch.rand_like(p) + 0.001 for name, p in params.items()}
    study("proximal").proximal_step(loss, 10.0, sizes if by == "entry" else 0.03)
    gradients = torch.autograd.grad(
        10.0 * loss.terms()[0], list(params.values()), allow_unused=True
    )
    scale = max(float((p.detach() - before[n]).abs().max()) for n, p in params.items())
    assert scale > 0
    for (name, parameter), gradient in zip(params.items(), gradients, strict=True):
        size, moved = sizes[name] if by == "entry" else 0.03, parameter.detach() - before[name]
        expected = torch.zeros_like(moved) if gradient is None else -size * gradient
        torch.testing.assert_close(moved, expected, rtol=1e-5, atol=1e-7 * scale)
    if by == "number":
        _, _, states = trained("VDFDProximal", weight=100.0)
        assert all(value.isfinite().all() for value in states[2][0].values())


def test_importances_of_filters_and_permuted(trained):
    plain = trained("EWC")[2][0][1]["importance"]
    permuted = trained("EWCPermuted")[2][0][1]["importance"]
    network, state = trained("EWCPerFilter")[2][0]
    for name, value in plain.items():
        assert torch.equal(value.sort().values, permuted[name].sort().values), name
        mean = value.view(len(network[name]), -1).mean(1)
        assert torch.allclose(state["importance"][name], mean, rtol=1e-4, atol=1e-12), name
    assert any(not torch.equal(value, permuted[name]) for name, value in plain.items())


def test_trials(trained):
    """Averaged wholly, a step ends where it began, but for its head."""
    options = {"mixup": True, "features": 0.5, "second_moments": 10.0, "taylor": 1.0}
    _, _, states = trained("Trial", average=1.0, blend=0.5, warm_up=1, **options)
    for name, value in states[1][0].items():
        if name in states[0][0] and value.is_floating_point():
            assert torch.allclose(value, states[0][0][name], atol=1e-6), name
    assert {"importance", "memories"} <= states[2][1].keys()


def test_functionals_are_constrained(trained):
    _, _, ((first, state), (second, _), _) = trained("Constrained", of="images", images=30, rank=3)
    change = torch.cat([
        (second[name] - first[name]).flatten()
        for name in first
        if not name.startswith("heads") and not name.endswith(("mean", "var", "tracked"))
    ])  # fmt: skip
    assert change.norm() > 1e-3
    assert (state["rows"].float() @ change).abs().max() < 1e-3 * change.norm()


def table(capsys):
    """The cells of what was printed."""
    lines = capsys.readouterr().out.splitlines()
    return [line.strip("|").split("|") for line in lines if line.startswith("|")]


def test_drift_and_gaussians_of_a_run(study, trained, capsys):
    file, work, _ = trained("VDFD")
    matrix = json.loads((work / "results.json").read_text())["matrix"]
    for task, row in enumerate(study("measure_drift").measure(str(file), work)):
        assert row["accuracy then"] == pytest.approx(matrix[task][task])
        assert row["now"] == pytest.approx(matrix[2][task])
        assert -1 <= row["cosine"] <= 1
    file, work, _ = trained("LwF", gaussians=0.4)
    acc = json.loads((work / "results.json").read_text())["summary"]["acc"]
    measured = study("measure_gaussian_classifier").measure(str(file), work, 0.4)
    assert measured["moved, and heads"] == pytest.approx(acc, abs=0.5)
    for script in ("measure_drift", "measure_gaussian_classifier"):
        capsys.readouterr()
        assert study(script).main([str(file), str(work)]) == 0
        header, _, line = table(capsys)
        assert len(header) == len(line) > 5


def test_memory_growth(study, tmp_path):
    arguments = ["--steps", "4", "--iters", "1", "--method", "LwF", "--out", str(tmp_path)]
    found = tmp_path / "held.json"
    assert study("measure_memory_growth").main([*arguments, "--json", str(found)]) == 0
    held = json.loads(found.read_text())["steps"]
    for key in ("tensors", "tensor_memory", "threads", "children", "files", "handlers"):
        # After the last step the collector sees again what the process had before the first.
        assert held[2][key] == held[1][key], key


def test_stability(study, capsys, tmp_path):
    arguments = ["--tasks", "2", "--classes", "4", "--depths", "1", "1", "--widths", "16", "32"]
    arguments += ["--epochs", "1", "--seeds", "0", "--lambdas", "1e4", "inf", "--scales", "1"]
    arguments += ["--json", str(tmp_path / "all.json"), "--plot", str(tmp_path / "curves.png")]
    assert study("stability_study").main(arguments) == 0
    assert len({row[0] for row in table(capsys)}) > 12
    results = json.loads((tmp_path / "all.json").read_text())["results"]
    assert results["proximal, λ = inf, real"][0]["memory"] < 1e-4
    assert results["replay, λ = 10000, real"][0]["shrink"] < 0.5


COSTS = {
    "benchmark_distillation": [
        "loss", "--repeats", "1", "--batch", "2", "--tasks", "1", "--expanded-tasks", "1"],
    "benchmark_evaluation": [
        "CONFIG", "--rounds", "1", "--cfg-options", "test_dataloader.batch_size=2"],
    "benchmark_folding": ["CONFIG", "--rounds", "1", "--shape", "64", "64"],
    "benchmark_index": ["--masks", "7", "--distinct", "3", "--size", "30", "40", "--starts", "2"],
    "benchmark_input_pipeline": [
        "--images", "64", "--batches", "2", "--width", "4", "--repeats", "1"],
    "benchmark_losses": ["--batch", "1", "--image-size", "32", "--repeats", "1"],
    "measure_convergence": [],
}  # fmt: skip


@pytest.mark.parametrize("name", COSTS)
def test_tables_of_costs(study, scenes, tmp_path, capsys, name):
    """The evaluation finds MMSegmentation's values, or ends."""
    file = write_config(tmp_path / "tiny.py", tiny_config(scenes))
    arguments = [str(file) if each == "CONFIG" else each for each in COSTS[name]]
    assert study(name).main(arguments) == 0
    assert len(table(capsys)) > 2


def test_steps_compared_with_other_loops(study, monkeypatch, tmp_path, capsys):
    for name in ("run", "run_iter"):
        # The scripts replace them: put back at the end.
        monkeypatch.setattr(IterBasedTrainLoop, name, getattr(IterBasedTrainLoop, name))
    little = ["--cifar", "--iterations", "2", "--rounds", "1"]
    assert study("benchmark_runner").main(little) == 0
    (row,) = table(capsys)[2:]
    assert all(float(cell.removesuffix("ms ")) > 0 for cell in row[1:])
    images, labels = np.zeros((80, 32, 32, 3), dtype=np.uint8), np.arange(80) % 20
    for split in ("train", "test"):
        write_arrays(tmp_path / "data", split, images, labels, cifar.CLASSES)
    assert study("benchmark_avalanche").ours({"type": "LwF"}, tmp_path) > 0


def test_old_against_new(replayed, study, tmp_path):
    replayed(3)
    picture = tmp_path / "picture.png"
    assert study("plot_old_new").main([str(picture), f"tiny={tmp_path / 'run'}"]) == 0
    assert picture.exists()


def test_every_script_is_in_the_readme():
    text = (FOLDER / "README.md").read_text()
    parts = {"proximal", "random_directions", "finished", "stability_learner"}
    for path in FOLDER.glob("*.py"):
        assert f"`{path.name}`" in text or path.stem in parts, path.name


@pytest.fixture
def replayed(study, scenes, tmp_path):
    """Train some steps with the trial of replay: settings, and what each step carries."""
    study("replay_trial")

    def run(steps, **options):
        method = {"type": "ReplayTrial", "replay": 64, **options}
        config = {**tiny_config(scenes), "method": method, "train_cfg": {"max_iters": 2}}
        settings = load_run(write_config(tmp_path / "tiny.py", config))
        train_sequence(settings, tmp_path / "run", steps=range(steps))
        paths = [tmp_path / f"run/step_0{step}/checkpoint.pth" for step in range(steps)]
        saved = [torch.load(path, weights_only=True) for path in paths]
        return settings, [each["method"]["state"] for each in saved]

    return run


@pytest.mark.parametrize("changed", [{}, {"background": "none", "uniform": True, "diagonal": True}])
def test_replay_trial_replays_what_it_says(replayed, changed):
    """Of the last step's memory, as the trial reads it."""
    settings, states = replayed(2, **changed)
    found = settings.method()._carried(SimpleNamespace(carried=states[1], step=2))
    assert (0 in found.labels) == (not changed)
    assert (found.counts.unique().numel() == 1) == bool(changed)
    off = found.covariances - torch.diag_embed(found.covariances.diagonal(dim1=1, dim2=2))
    assert bool(off.abs().sum() == 0) == bool(changed)


def test_a_trunk_that_trains_moves_the_gaussians_of_old_classes(replayed):
    replays = [state["replay"] for state in replayed(3, trunk_tasks=2)[1]]
    # The background is every step's.
    means = [replay["means"][replay["labels"] != 0] for replay in replays]
    first, second = len(means[0]), len(means[1])
    assert not torch.equal(means[1][:first], means[0])
    assert torch.equal(means[2][:second], means[1])  # the trunk stays
