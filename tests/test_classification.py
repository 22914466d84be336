"""Whole classification sequences through the commands."""

import csv
import json
import math

import numpy as np
import pytest
import torch

from tests.python_process import one_thread_environment, run_python
from tests.test_resume import assert_same_run, checkpoint
from tests.tiny import changed, tiny_classifier_config, tiny_config, write_config
from vdfd_seg.cli import run_command
from vdfd_seg.datasets import read_arrays

pytestmark = pytest.mark.processor

VDFD = {"type": "VDFD", "weight": 5.0}
ICARL = {"type": "ICaRL", "exemplars": 30}


@pytest.fixture(scope="module")
def sequence(digits, train, tmp_path_factory):
    """Train the tiny sequence with a method; every prediction is written."""
    made = {}

    def run(method, scenario="task", **changes):
        key = repr((method, scenario, changes))
        if key not in made:
            folder = tmp_path_factory.mktemp("sequence")
            config = tiny_classifier_config(digits, method, scenario)
            config = changed(config, {"prediction_dir": str(folder / "predictions"), **changes})
            made[key] = train(file=write_config(folder / "tiny.py", config))
            made[key].predictions = folder / "predictions"
        return made[key]

    return run


def predicted(run, step):
    with (run.predictions / f"step_{step:02d}" / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_results_follow_from_the_predictions(sequence, scenario):
    run = sequence(VDFD, scenario)
    assert run.results["metric"] == "accuracy"
    assert run.results["protocol"]["scenario"] == scenario
    for step, entry in enumerate(run.results["steps"]):
        rows = predicted(run, step)
        for task in range(3):
            hits = [r["label"] == r["predicted"] for r in rows if int(r["task"]) == task]
            share = 100 * np.mean(hits) if task <= step else None
            assert run.results["matrix"][step][task] == (share and pytest.approx(share))
        hits = [r["label"] == r["predicted"] for r in rows]
        assert entry["overall"] == pytest.approx(100 * np.mean(hits))
        assert entry["test_images"] == len(rows)
        for name, value in entry["per_class"].items():
            own = [r["label"] == r["predicted"] for r in rows if r["label"] == name]
            assert value == pytest.approx(100 * np.mean(own))
    matrix = run.results["matrix"]
    summary = run.results["summary"]
    assert summary["acc"] == pytest.approx(np.mean(matrix[2]))
    assert summary["bwt"] == pytest.approx(np.mean([matrix[2][j] - matrix[j][j] for j in range(2)]))
    assert "old" not in summary


def test_label_augmentation_trains_and_is_evaluated_on_rotation_zero(sequence):
    run = sequence(VDFD, "class", **{"model.rotations": True})
    state = checkpoint(run, 2)
    assert state["state_dict"]["heads.2.weight"].shape == (8, 16)
    seen = set(run.results["steps"][2]["classes_seen"])
    assert {row["predicted"] for row in predicted(run, 2)} <= seen
    # One prototype a class: the rows of the images as they are.
    memories = state["method"]["state"]["memories"]
    assert [memory["prototypes"].shape for memory in memories] == [(2, 16)] * 3
    assert [memory["outputs"] for memory in memories] == [[0, 1], [2, 3], [4, 5]]


def test_an_interrupted_run_ends_as_one_that_was_not(sequence, train, interrupt, tmp_path):
    """In the middle of its passes; each method by itself: test_method_contract.py."""
    whole = sequence(VDFD)
    interrupt(whole.file, tmp_path / "work", step=1, at=11)
    assert (tmp_path / "work" / "step_01" / "resume.pth").exists()
    resumed = train("--resume", file=whole.file, work_dir=tmp_path / "work")
    assert_same_run(resumed, whole)


def test_forward_transfer_of_new_heads(sequence, tmp_path, refused):
    """Under two classes a task, whose heads are not trained yet, and the old matrix."""
    run, out = sequence(VDFD, "task"), tmp_path / "ahead.json"
    options = ["--all-steps", "--cfg-options", "forward_transfer=True"]
    arguments = [str(run.file), str(run.path), "--out", str(out), *options]
    assert run_command("test", arguments) == 0
    found = json.loads(out.read_text())
    assert found["matrix"] == run.results["matrix"]
    pairs = [[step[f"next_task{end}"] for end in ("", "_untrained")] for step in found["steps"][:2]]
    assert all(0 <= value <= 100 for pair in pairs for value in pair)
    assert found["summary"]["fwt"] == pytest.approx(np.mean([a - b for a, b in pairs]))
    run = sequence(VDFD, "class")
    assert "class-incrementally" in refused("test", run.file, run.path, *options)


def test_the_schedule_is_counted_in_passes_over_the_images(sequence):
    log = {"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]}
    changes = {"default_hooks.logger.interval": 1, "visualizer": log}
    run = sequence({"type": "FineTune"}, **changes)
    scalars = next((run.path / "step_00").rglob("scalars.json")).read_text().splitlines()
    rows = [json.loads(line) for line in scalars]
    # Norms of gradients have a row of their own.
    rates = [row["lr"] for row in rows if "lr" in row]
    each = math.ceil(run.results["steps"][0]["train_images"] / 16)
    assert rates == pytest.approx([0.003] * each + [0.0015] * each)


def test_report_and_dry_run_speak_of_accuracy_and_images(sequence, capsys):
    run = sequence(VDFD)
    page = (run.path / "report.html").read_text()
    assert "Digits, task-incremental; 3 tasks; accuracy in percent" in " ".join(page.split())
    assert "The same images" not in page
    capsys.readouterr()
    assert run_command("train", [str(run.file), "--dry-run"]) == 0
    text = capsys.readouterr().out
    train_images = read_arrays(json_root(run), "train").labels
    assert f"zero: {(train_images == 0).sum()}" in text
    assert "pixels" not in text


def json_root(run):
    from mmengine.config import Config

    return Config.fromfile(run.file).train_dataloader.dataset.data_root


def test_two_processes_equal_one(digits, train, tmp_path):
    """From the same step 0, what is counted and estimated is the same; batch statistics, which
    each process takes of its own images, keep the training of later steps from being so."""
    method = {"type": "EWC", "images": 40, "batch_size": 8}
    whole = tiny_classifier_config(digits, method)
    one = train(file=write_config(tmp_path / "one.py", whole))
    file = write_config(tmp_path / "two.py", changed(whole, {"train_dataloader.batch_size": 8}))
    start, folder = one.path / "step_00" / "checkpoint.pth", tmp_path / "two"
    done = run_python(
        "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "tools/train.py", file,
        "--work-dir", folder, "--init-from", start, "--launcher", "pytorch",
        timeout=300, env=one_thread_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    two = json.loads((folder / "results.json").read_text())
    for ours, theirs in zip(one.results["steps"], two["steps"], strict=True):
        assert theirs["test_images"] == ours["test_images"]
        assert np.sum(theirs["confusions"]["0"]) == ours["test_images"]
    assert two["steps"][0]["confusions"] == one.results["steps"][0]["confusions"]
    saved = [torch.load(p, weights_only=True) for p in (start, folder / "step_00/checkpoint.pth")]
    ours, theirs = (each["method"]["state"]["importance"] for each in saved)
    assert ours.keys() == theirs.keys()
    assert all(torch.allclose(ours[name], theirs[name], rtol=1e-5) for name in ours)


class TestBadInput:
    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"protocol.tasks": 4}, "6 classes of Digits do not divide into tasks=4"),
            ({"model.backbone.widths": (8,)}, "the config's model cannot be built"),
            ({"train_dataloader.dataset.type": "CIFAR100"}, "Valid names: vdfd_seg.ImageArrays"),
            ({"train_dataloader.dataset.splt": "x"}, "Did you mean 'split'"),
            ({"method": {"type": "VDFD", "old_rows": "frozen"}}, "old_rows='frozen' is for"),
        ],
    )
    def test_configs(self, refused, digits, tmp_path, trained_steps, changes, message):
        config = changed(tiny_classifier_config(digits, VDFD), changes)
        file = write_config(tmp_path / "tiny.py", config)
        assert message in refused("train", file, "--work-dir", tmp_path / "work")
        assert trained_steps == []

    def test_a_segmentation_network_for_classification(self, refused, digits, tmp_path, scenes):
        model = tiny_config(scenes)["model"]
        config = changed(tiny_classifier_config(digits, VDFD), {"model": model})
        file = write_config(tmp_path / "tiny.py", config)
        message = refused("train", file, "--work-dir", tmp_path / "work")
        assert "EncoderDecoder is not for protocol" in message

    def test_a_method_for_classification_under_a_segmentation_protocol(self, refused, config_file):
        file = config_file({"method": {"type": "ICaRL"}})
        assert "method ICaRL is not for segmentation" in refused("train", file)

    def test_a_checkpoint_of_another_scenario(self, refused, sequence, digits, tmp_path):
        run = sequence(VDFD, "task")
        config = tiny_classifier_config(digits, VDFD, "class")
        file = write_config(tmp_path / "class.py", config)
        expected = "scenario was 'task', now 'class'"
        assert expected in refused("test", file, run.path)
        start = run.path / "step_00" / "checkpoint.pth"
        message = refused("train", file, "--work-dir", tmp_path / "w", "--init-from", start)
        assert expected in message

    def test_a_method_that_remembers_while_it_trains(self, refused, sequence, digits, tmp_path):
        start = sequence(VDFD).path / "step_00" / "checkpoint.pth"
        file = write_config(tmp_path / "si.py", tiny_classifier_config(digits, {"type": "SI"}))
        message = refused("train", file, "--work-dir", tmp_path / "w", "--init-from", start)
        assert "must train step 0 itself" in message
