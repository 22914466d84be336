import csv
import json
import math

import numpy as np
import pytest

from tests.test_resume import checkpoint
from tests.tiny import changed, tiny_classifier_config, tiny_config, write_config
from vdfd_seg.cli import run_command

pytestmark = pytest.mark.processor

VDFD = {"type": "VDFD", "weight": 5.0}


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
        for row in rows if scenario == "task" else ():
            assert row["predicted"] in run.results["protocol"]["tasks"][int(row["task"])]["classes"]
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
    assert "in class-incremental ones" in refused("test", run.file, run.path, *options)


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


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"protocol.tasks": 4}, "6 classes of Digits do not divide into tasks=4"),
        ({"model.backbone.widths": (8,)}, "the config's model cannot be built"),
        ({"train_dataloader.dataset.type": "CIFAR100"}, "Valid names: vdfd_seg.ImageArrays"),
        ({"train_dataloader.dataset.splt": "x"}, "Did you mean 'split'"),
        ({"method": {"type": "VDFD", "old_rows": "frozen"}}, "old_rows='frozen' is for"),
        ({"model": tiny_config("none")["model"]}, "EncoderDecoder is for segmentation; protocol"),
    ],
)
def test_configs_that_are_refused(refused, digits, tmp_path, trained_steps, changes, message):
    config = changed(tiny_classifier_config(digits, VDFD), changes)
    file = write_config(tmp_path / "tiny.py", config)
    assert message in refused("train", file, "--work-dir", tmp_path / "work")
    assert trained_steps == []


def test_a_checkpoint_of_another_scenario(refused, sequence, digits, tmp_path):
    run = sequence(VDFD, "task")
    config = tiny_classifier_config(digits, VDFD, "class")
    file = write_config(tmp_path / "class.py", config)
    assert "scenario was 'task', now 'class'" in refused("test", file, run.path)
    start = run.path / "step_00" / "checkpoint.pth"
    message = refused("train", file, "--work-dir", tmp_path / "w", "--init-from", start)
    assert "scenario was 'task', now 'class'" in message
