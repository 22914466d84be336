"""Whole sequences through the commands: what is written, and that its numbers are right."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.tiny import CLASSES, TASKS, VAL, VOID
from vdfd_seg.cli import run_command

pytestmark = pytest.mark.processor

LABELS = tuple(name for task in TASKS for name in task)
SEEN = [sum(len(task) for task in TASKS[: step + 1]) for step in range(len(TASKS))]

GROUPED = ("overall", "old", "new", "all", "hiou", "mean_accuracy", "pixel_accuracy")


def images_tested_after(step):
    """Numbers of the test images with a foreground class learned up to a step."""
    seen = set(LABELS[1 : SEEN[step]])
    return [number for number, scene in enumerate(VAL) if seen & set(scene)]


def counted_pixels(step, folder, masks):
    """Pixels of each pair (true class, predicted class) by name, file by file."""
    pairs = dict.fromkeys(((a, b) for a in LABELS for b in LABELS), 0)
    for number in images_tested_after(step):
        predicted = np.asarray(Image.open(folder / f"step_{step:02d}" / f"val_{number:02d}.png"))
        mask = np.asarray(Image.open(masks / f"val_{number:02d}.png"))
        assert predicted.shape == mask.shape
        assert predicted.max() < SEEN[step]
        for value in np.unique(mask):
            if value == VOID:
                continue
            name = CLASSES[value]
            true = name if name in LABELS[: SEEN[step]] else "background"
            for label in range(SEEN[step]):
                count = int(((mask == value) & (predicted == label)).sum())
                pairs[true, LABELS[label]] += count
    return pairs


def intersection_over_union(pairs, name):
    hit = pairs[name, name]
    union = sum(n for (true, found), n in pairs.items() if name in (true, found))
    return 100 * hit / union if union else None


def mean_over(pairs, names):
    """Mean over the classes that have labelled pixels, as the protocol's default says."""
    there = [name for name in names if any(pairs[name, other] for other in LABELS)]
    return sum(intersection_over_union(pairs, name) for name in there) / len(there)


def test_schema_is_the_contract_s(vdfd_run):
    results = vdfd_run.results
    assert results["schema"] == 1
    assert (results["method"], results["config"], results["seed"]) == ("VDFD", "tiny", 3)
    assert results["metric"] == "mIoU"
    protocol = results["protocol"]
    assert {k: protocol[k] for k in ("name", "dataset", "scenario", "setting")} == {
        "name": "tiny", "dataset": "Rectangles", "scenario": "class", "setting": "overlap",
    }  # fmt: skip
    assert [tuple(task["classes"]) for task in protocol["tasks"]] == list(TASKS)
    assert len(protocol["fingerprint"]) == 16
    # Counted by hand.
    assert [entry["train_images"] for entry in results["steps"]] == [7, 5, 5]
    assert [entry["test_images"] for entry in results["steps"]] == [3, 5, 6]
    for step, entry in enumerate(results["steps"]):
        assert entry["step"] == step
        assert entry["task"] == protocol["tasks"][step]["name"]
        assert entry["classes_seen"] == list(LABELS[: SEEN[step]])
        assert entry["seconds"] > 0
        assert entry["seconds_per_iter"] > 0


def test_predictions_are_not_trivial(vdfd_run):
    """Otherwise equal numbers would say little: several classes are found and confused."""
    values = {
        value
        for path in vdfd_run.predictions.glob("step_*/*.png")
        for value in np.unique(np.asarray(Image.open(path)))
    }
    assert len(values) >= 4
    found = [v for v in vdfd_run.results["steps"][-1]["per_class"].values() if 0 < v < 100]
    assert len(found) >= 4


def test_numbers_equal_an_independent_computation(vdfd_run, scenes):
    """Again, from the predictions that were saved and the masks. What else follows from the
    confusion matrices: tests/evaluation."""
    results = vdfd_run.results
    for step, entry in enumerate(results["steps"]):
        pairs = counted_pixels(step, vdfd_run.predictions, scenes / "SegmentationClass")
        seen = LABELS[: SEEN[step]]
        confusions = [[pairs[true, found] for found in seen] for true in seen]
        assert entry["confusions"] == {"0": confusions}
        values = {name: intersection_over_union(pairs, name) for name in seen}
        assert entry["per_class"] == pytest.approx(values)
        assert entry["overall"] == entry["all"] == pytest.approx(mean_over(pairs, seen))
        assert entry["old"] == pytest.approx(mean_over(pairs, TASKS[0]))
        if step:
            assert entry["new"] == pytest.approx(mean_over(pairs, seen[len(TASKS[0]) :]))
        row = [mean_over(pairs, names) for names in TASKS[: step + 1]]
        assert results["matrix"][step] == [*map(pytest.approx, row), *[None] * (2 - step)]
    first, second, last = results["matrix"]
    changes = [last[0] - first[0], last[1] - second[1]]
    lost = [max(first[0], second[0]) - last[0], second[1] - last[1]]
    assert results["summary"] == {
        "acc": pytest.approx(np.mean(last)),
        "bwt": pytest.approx(np.mean(changes)),
        "forgetting": pytest.approx(np.mean(lost)),
        "avg_incremental": pytest.approx(np.mean([s["overall"] for s in results["steps"]])),
        **{key: results["steps"][-1][key] for key in GROUPED},
    }


def test_evaluated_again_gives_the_same_and_writes_nothing_else(vdfd_run, tmp_path):
    out, results = tmp_path / "evaluated.json", vdfd_run.results

    def evaluate(*arguments):
        given = [str(vdfd_run.file), str(vdfd_run.path), "--out", str(out), *arguments]
        assert run_command("test", given) == 0
        return json.loads(out.read_text())

    before = {path: path.stat().st_mtime_ns for path in vdfd_run.path.rglob("*")}
    found = evaluate("--all-steps")
    for key in results.keys() - {"environment", "command"} | {"steps", "matrix"}:
        assert found[key] == results[key], key
    found = evaluate("--step", "1")
    assert found["steps"] == results["steps"][1:2]
    assert found["matrix"] == [[None] * 3, results["matrix"][1]]
    assert found["summary"]["acc"] == pytest.approx(np.mean(found["matrix"][1][:2]))
    assert found["summary"]["bwt"] is None
    # Without a step it is the last one.
    assert evaluate()["steps"] == results["steps"][2:]
    assert {path: path.stat().st_mtime_ns for path in vdfd_run.path.rglob("*")} == before


def test_a_dry_run_names_what_a_real_one_has_and_writes_nothing(
    vdfd_run, config_file, tmp_path, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    arguments = [str(config_file()), "--dry-run", "--work-dir", str(tmp_path / "work")]
    assert run_command("train", arguments) == 0
    text = capsys.readouterr().out
    # A first rectangle has 15 x 16 = 240 pixels above its void row, a second 19 x 20 = 380.
    rows = [line.split(maxsplit=6) for line in text.splitlines() if line.strip()[:1].isdigit()]
    assert [[*row[:6], row[6].strip()] for row in rows] == [
        ["0", "background+green+red", "7", "0", "3", "3", "green: 4 / 1,240; red: 4 / 1,100"],
        ["1", "gold+blue", "5", "0", "5", "5", "gold: 3 / 860; blue: 3 / 860"],
        ["2", "pink+cyan", "5", "0", "6", "7", "pink: 3 / 860; cyan: 3 / 1,000"],
    ]
    assert vdfd_run.results["protocol"]["fingerprint"] in text
    assert f"{vdfd_run.results['steps'][-1]['parameters']:,} parameters" in text
    assert list(tmp_path.iterdir()) == []
