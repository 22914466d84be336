"""Whole sequences through the commands: what is written, and that its numbers are right."""

import json
import math
import statistics

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


def accuracy(pairs, names):
    """Share of the pixels of some classes, taken together, that are found."""
    total = sum(n for (true, _), n in pairs.items() if true in names)
    return 100 * sum(pairs[name, name] for name in names) / total if total else None


def mean_over(pairs, names):
    """Mean over the classes that have labelled pixels, as the protocol's default says."""
    there = [name for name in names if any(pairs[name, other] for other in LABELS)]
    return sum(intersection_over_union(pairs, name) for name in there) / len(there)


@pytest.fixture(scope="module")
def independent(vdfd_run, scenes):
    """All of the numbers again, from the predictions that were saved and the masks."""
    matrix, steps = [], []
    for step in range(len(TASKS)):
        pairs = counted_pixels(step, vdfd_run.predictions, scenes / "SegmentationClass")
        seen = LABELS[: SEEN[step]]
        row = [mean_over(pairs, TASKS[task]) for task in range(step + 1)]
        matrix.append(row + [None] * (len(TASKS) - len(row)))
        later = [name for task in TASKS[1 : step + 1] for name in task]
        old, new = mean_over(pairs, TASKS[0]), mean_over(pairs, later) if later else None
        steps.append(
            {
                "overall": mean_over(pairs, seen),
                "per_class": {name: intersection_over_union(pairs, name) for name in seen},
                "old": old,
                "new": new,
                "all": mean_over(pairs, seen),
                "hiou": None if new is None else 2 * old * new / (old + new or 1),
                "mean_accuracy": statistics.mean(
                    value for name in seen if (value := accuracy(pairs, [name])) is not None
                ),
                "pixel_accuracy": accuracy(pairs, seen),
            }
        )
    last, count = matrix[-1], len(TASKS)
    best = [max(matrix[i][j] for i in range(j, count - 1)) for j in range(count - 1)]
    return {
        "matrix": matrix,
        "steps": steps,
        "summary": {
            "acc": sum(last) / count,
            "bwt": sum(last[j] - matrix[j][j] for j in range(count - 1)) / (count - 1),
            "forgetting": sum(best[j] - last[j] for j in range(count - 1)) / (count - 1),
            "avg_incremental": sum(s["overall"] for s in steps) / count,
            **{key: steps[-1][key] for key in GROUPED},
        },
    }


def same_numbers(found, expected):
    """Equal up to rounding, nulls and nesting included."""
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        return all(same_numbers(found[key], expected[key]) for key in expected)
    if isinstance(expected, list):
        assert len(found) == len(expected)
        return all(map(same_numbers, found, expected))
    if expected is None or found is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-12)


class TestResults:
    def test_schema_is_the_contract_s(self, vdfd_run):
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
        assert set(results["summary"]) == {
            "acc", "bwt", "forgetting", "avg_incremental", *GROUPED
        }  # fmt: skip
        for step, entry in enumerate(results["steps"]):
            assert entry["step"] == step
            assert entry["task"] == protocol["tasks"][step]["name"]
            assert entry["classes_seen"] == list(LABELS[: SEEN[step]])
            assert entry["seconds"] > 0
            assert entry["seconds_per_iter"] > 0

    def test_images_are_those_counted_by_hand(self, vdfd_run):
        steps = vdfd_run.results["steps"]
        assert [entry["train_images"] for entry in steps] == [7, 5, 5]
        assert [entry["test_images"] for entry in steps] == [3, 5, 6]

    def test_predictions_are_not_trivial(self, vdfd_run):
        """Otherwise equal numbers would say little: several classes are found and confused."""
        values = {
            value
            for path in vdfd_run.predictions.glob("step_*/*.png")
            for value in np.unique(np.asarray(Image.open(path)))
        }
        assert len(values) >= 4
        found = [v for v in vdfd_run.results["steps"][-1]["per_class"].values() if 0 < v < 100]
        assert len(found) >= 4

    def test_matrix_equals_an_independent_computation(self, vdfd_run, independent):
        assert same_numbers(vdfd_run.results["matrix"], independent["matrix"])

    @pytest.mark.parametrize("key", ["per_class", *GROUPED])
    def test_step_s_numbers_equal_an_independent_computation(self, vdfd_run, independent, key):
        found = [entry[key] for entry in vdfd_run.results["steps"]]
        assert same_numbers(found, [entry[key] for entry in independent["steps"]])

    def test_summary_equals_an_independent_computation(self, vdfd_run, independent):
        assert same_numbers(vdfd_run.results["summary"], independent["summary"])

    def test_example_images_are_predicted_after_every_step(self, vdfd_run):
        names = {path.stem for path in (vdfd_run.path / "samples").glob("*.png")}
        assert len(names) == 2
        for step in range(len(TASKS)):
            folder = vdfd_run.path / f"step_{step:02d}" / "predictions"
            assert {path.stem for path in folder.iterdir()} == names


@pytest.fixture
def evaluate(vdfd_run, tmp_path):
    """Run ``vdfd_seg test`` and return the results that it writes."""

    def run(target, *arguments):
        out = tmp_path / "evaluated.json"
        given = [str(vdfd_run.file), str(target), "--out", str(out), *arguments]
        assert run_command("test", given) == 0
        return json.loads(out.read_text())

    return run


class TestEvaluateAgain:
    def test_all_steps_reproduce_the_results_and_write_nothing_else(self, vdfd_run, evaluate):
        def state():
            return {p: p.stat().st_mtime_ns for p in vdfd_run.path.rglob("*")}

        before = state()
        found = evaluate(vdfd_run.path, "--all-steps")
        assert state() == before
        for key in vdfd_run.results.keys() - {"environment", "command"} | {"steps", "matrix"}:
            assert found[key] == vdfd_run.results[key], key

    def test_one_step_reproduces_its_row(self, vdfd_run, evaluate):
        found = evaluate(vdfd_run.path, "--step", "1")
        assert found["steps"] == vdfd_run.results["steps"][1:2]
        assert found["matrix"] == [[None] * 3, vdfd_run.results["matrix"][1]]
        assert found["summary"]["acc"] == pytest.approx(np.mean(found["matrix"][1][:2]))
        assert found["summary"]["bwt"] is None

    def test_work_dir_alone_means_its_last_step(self, vdfd_run, evaluate):
        assert evaluate(vdfd_run.path)["steps"] == vdfd_run.results["steps"][2:]


class TestDryRun:
    @pytest.fixture
    def text(self, config_file, tmp_path, capsys, monkeypatch):
        monkeypatch.chdir(tmp_path)
        arguments = [str(config_file()), "--dry-run", "--work-dir", str(tmp_path / "work")]
        assert run_command("train", arguments) == 0
        return capsys.readouterr().out

    def test_counts_equal_those_made_by_hand(self, text):
        # A first rectangle has 15 x 16 = 240 pixels above its void row, a second 19 x 20 = 380.
        rows = [line.split(maxsplit=6) for line in text.splitlines() if line.strip()[:1].isdigit()]
        assert [[*row[:6], row[6].strip()] for row in rows] == [
            ["0", "background+green+red", "7", "0", "3", "3", "green: 4 / 1,240; red: 4 / 1,100"],
            ["1", "gold+blue", "5", "0", "5", "5", "gold: 3 / 860; blue: 3 / 860"],
            ["2", "pink+cyan", "5", "0", "6", "7", "pink: 3 / 860; cyan: 3 / 1,000"],
        ]

    def test_names_fingerprint_and_size_of_a_real_run_and_writes_nothing(
        self, text, vdfd_run, tmp_path
    ):
        assert vdfd_run.results["protocol"]["fingerprint"] in text
        assert f"{vdfd_run.results['steps'][-1]['parameters']:,} parameters" in text
        assert list(tmp_path.iterdir()) == []
