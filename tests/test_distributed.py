"""Several processes on the CPU (gloo) give what one process gives with the same total batch."""

import json
import shutil
import time
from pathlib import Path

import pytest
import torch

from tests.several_processes import numbers, of_processes, same_weights, several, start, state
from tests.tiny import changed, tiny_config, write_config, write_scenes
from vdfd_seg.cli import run_command


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """What must hold for equal gradients: an equal number of labelled pixels in every image (no
    void), no statistics over a batch and no dropout, whose masks depend on the process."""
    folder = tmp_path_factory.mktemp("distributed")
    root = write_scenes(folder / "rectangles", void=False)
    frozen = {"type": "BN", "requires_grad": True}
    return folder, changed(
        tiny_config(root),
        {
            "train_cfg": {"max_iters": 3},
            "step_overrides": {},
            "model.backbone.norm_eval": True,
            "model.backbone.norm_cfg": frozen,
            "model.decode_head.norm_cfg": {"type": "GN", "num_groups": 4},
            "model.decode_head.dropout_ratio": 0.0,
            "optim_wrapper.optimizer": {"type": "SGD", "lr": 0.01},
            "train_dataloader.dataset.pipeline": [
                {"type": "LoadImageFromFile"},
                {"type": "LoadAnnotations"},
                {"type": "RandomCrop", "crop_size": (48, 48)},
                {"type": "RandomFlip", "prob": 0.5},
                {"type": "PackSegInputs"},
            ],
        },
    )


@pytest.fixture(scope="module")
def one(config, train):
    """A finished run by one process, which also writes its losses."""
    folder, whole = config
    losses = folder / "one.jsonl"
    run = train(file=write_config(folder / "one.py", of_processes(whole, 1, losses)))
    run.losses = losses
    return run


@pytest.mark.parametrize("processes", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_several_processes_equal_one(config, one, processes):
    folder, whole = config
    losses = folder / f"{processes}.jsonl"
    file = write_config(folder / f"of_{processes}.py", of_processes(whole, processes, losses))
    run = several(processes, folder / f"of_{processes}", file)
    for step in range(3):
        ours, theirs = state(one.path, step), state(run, step)
        same_weights(ours["state_dict"], theirs["state_dict"])
        pairs = zip(*(each["method"]["state"]["memories"] for each in (ours, theirs)), strict=True)
        for one_memory, other_memory in pairs:
            for name, left in one_memory["left"].items():
                gradient = left @ one_memory["right"][name]
                other = other_memory["left"][name] @ other_memory["right"][name]
                assert (gradient - other).norm() <= 1e-2 * gradient.norm(), name
    lines = [path.read_text().splitlines() for path in (one.losses, losses)]
    assert len(lines[0]) == 9
    for ours, theirs in zip(*lines, strict=True):
        ours, theirs = json.loads(ours), json.loads(theirs)
        assert ours.pop("step") == theirs.pop("step")
        assert theirs == pytest.approx(ours, rel=1e-3, abs=0.1 if "acc" in str(ours) else 1e-5)
    results = json.loads((run / "results.json").read_text())
    for key in ("protocol", "metric", "seed"):
        assert results[key] == one.results[key]
    # Weights agree to 1e-4, so a pixel in a thousand may change its class.
    for key in ("matrix", "summary"):
        assert numbers(results[key]) == pytest.approx(numbers(one.results[key]), abs=0.5)
    for key in ("train_images", "test_images", "memory_bytes", "held_bytes", "parameters"):
        assert [s[key] for s in results["steps"]] == [s[key] for s in one.results["steps"]]
    # Every test image counts once, however they are shared out: 2, 4 and 6 images.
    for ours, theirs in zip(one.results["steps"], results["steps"], strict=True):
        counts = [torch.tensor(each["confusions"]["0"]).sum(1) for each in (ours, theirs)]
        assert torch.equal(*counts)
    assert results["environment"]["processes"] == str(processes)
    assert (run / "report.html").exists()


CASES = {
    "VDFD": {"method": {"type": "VDFD", "weight": 10.0, "old_rows": "penalised"}},
    "RCIL": {
        "method": {"type": "RCIL"},
        # The statistics of a folded branch are those of one process; so they stay as they are.
        "model.backbone.norm_cfg": {"type": "BN", "requires_grad": True, "momentum": 0.0},
        "optim_wrapper.paramwise_cfg": {"custom_keys": {"decode_head": {"lr_mult": 10.0}}},
    },
}
"""Old rows that are penalised; second branches, and a rate of its own for the head."""


@pytest.mark.parametrize("kind", CASES)
def test_weights_and_branches_of_two_processes_equal_those_of_one(config, train, kind):
    folder, whole = config
    one = write_config(folder / f"{kind}_1.py", of_processes(whole, 1, **CASES[kind]))
    # RCIL mixes its branches at random.
    draws = {"custom_hooks": [{"type": "vdfd_seg.SameDraws"}]}
    two = write_config(folder / f"{kind}_2.py", of_processes(whole, 2, **CASES[kind], **draws))
    one = train("--steps", "0:2", file=one).path
    two = several(2, folder / kind, two, "--steps", "0:2")
    for step in range(2):
        ours, theirs = state(one, step), state(two, step)
        same_weights(ours["state_dict"], theirs["state_dict"])
        branches, other = (each["method"]["state"].get("branches", {}) for each in (ours, theirs))
        assert branches.keys() == other.keys()
        assert bool(branches) == (kind == "RCIL")
        for name, branch in branches.items():
            same_weights(of_tensors(branch), of_tensors(other[name]))


def of_tensors(values):
    return {name: value for name, value in values.items() if isinstance(value, torch.Tensor)}


@pytest.fixture(scope="module")
def killed(config, tmp_path_factory):
    """Work dir, ended process and seconds from the death of the second of two to the end."""
    folder, whole = config
    kill = {"rank": 1, "step": 1, "at": 2}
    file = write_config(folder / "killed.py", of_processes(whole, 2, kill=kill, save_interval=1))
    work_dir = tmp_path_factory.mktemp("killed") / "work"
    done = start(2, work_dir, file)
    # The last save was just before.
    died = (work_dir / "step_01" / "resume.pth").stat().st_mtime
    return work_dir, done, time.time() - died


class TestProcessThatDies:
    """The second of two processes is killed in step 1, after a save."""

    def test_takes_the_run_down_within_a_minute(self, killed, one, tmp_path):
        work_dir, done, seconds = killed
        assert seconds < 60
        assert done.returncode == 128 + 9
        message = done.stderr.strip().splitlines()[-1]
        assert message.startswith("vdfd_seg: error: process 1 (pid ")
        assert "SIGKILL" in message and "--resume" in message
        # What is finished is there.
        assert (work_dir / "step_01" / "resume.pth").exists()
        results = json.loads((work_dir / "results.json").read_text())
        assert [entry["step"] for entry in results["steps"]] == [0]
        expected = one.results["matrix"][0]
        assert numbers(results["matrix"]) == pytest.approx(numbers([expected]), abs=0.5)
        report = tmp_path / "report.html"
        assert run_command("report", [str(work_dir), "--out", str(report)]) == 0

    @pytest.mark.parametrize("processes", [1, pytest.param(4, marks=pytest.mark.slow)])
    def test_goes_on_with_another_number_of_processes(
        self, killed, config, one, train, tmp_path, processes
    ):
        folder, whole = config
        work_dir = Path(shutil.copytree(killed[0], tmp_path / "work"))
        resume = torch.load(work_dir / "step_01" / "resume.pth", weights_only=True)
        assert resume["iteration"] == 2
        changes = of_processes(whole, processes, save_interval=1)
        file = write_config(folder / f"go_on_{processes}.py", changes)
        if processes == 1:
            train("--resume", file=file, work_dir=work_dir)
        else:
            several(processes, work_dir, file, "--resume")
        for step in range(3):
            same_weights(state(one.path, step)["state_dict"], state(work_dir, step)["state_dict"])


def test_all_processes_evaluate_with_the_statistics_that_are_saved(config):
    """Plain batch norm counts in each process for itself."""
    folder, whole = config
    # With the last batch's statistics the processes differ as much as they can.
    norm = {"type": "BN", "requires_grad": True, "momentum": 1.0}
    training = {"model.backbone.norm_eval": False, "model.backbone.norm_cfg": norm}
    whole = of_processes(whole, 2, **training)
    file = write_config(folder / "statistics.py", whole)
    run = several(2, folder / "statistics", file, "--steps", "0:1")
    (step,) = json.loads((run / "results.json").read_text())["steps"]
    out = folder / "statistics.json"
    checkpoint = str(run / "step_00" / "checkpoint.pth")
    assert run_command("test", [str(file), checkpoint, "--out", str(out)]) == 0
    again = json.loads(out.read_text())
    again = again["steps"][0] if "steps" in again else again
    assert again["confusions"] == step["confusions"]
