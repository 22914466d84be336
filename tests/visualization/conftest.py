"""Work dirs that look like finished runs, made of random discs instead of training."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from vdfd_seg.evaluation import (
    class_incremental_row,
    confusion_matrix,
    old_new_all,
    per_class,
    summarise,
    write_results,
)
from vdfd_seg.visualization import colourise, default_palette

CLASSES = ["background", "boat", "cat", "chair", "dog & wolf", "horse", "sofa"]
TASKS = [0, 0, 0, 1, 1, 2, 2]
NUM_STEPS = 3


@pytest.fixture(scope="session")
def fake_runs():
    return SimpleNamespace(make_run=make_run, CLASSES=CLASSES)


def make_run(
    root: Path, method: str, forget: float, images: int = 3, side: int = 48, fingerprint="f1a9" * 4
) -> Path:
    """Write a work dir; each later step loses a disc of an old class with odds ``forget``."""
    rng = np.random.default_rng(0)
    scenes = [_discs(rng, side) for _ in range(images)]
    work_dir = root / method
    matrix, overall, steps = [], [], []
    for name, discs in enumerate(scenes):
        _save_sample(work_dir / "samples", f"im{name}", discs, side, rng)
    for step in range(NUM_STEPS):
        seen = sum(task <= step for task in TASKS)
        confusion = np.zeros((seen, seen), dtype=np.int64)
        for name, discs in enumerate(scenes):
            kept = [
                disc
                for disc in discs
                if disc[0] < seen and rng.random() >= forget * (step - TASKS[disc[0]])
            ]
            prediction = _draw(kept, side, rng)
            truth = _draw([disc for disc in discs if disc[0] < seen], side)
            confusion += confusion_matrix(prediction, truth, seen)
            _save(work_dir / f"step_{step:02d}" / "predictions" / f"im{name}.png", prediction)
        row = class_incremental_row(confusion, TASKS[:seen], "all")
        matrix.append(row + [None] * (NUM_STEPS - len(row)))
        values = old_new_all(confusion, TASKS[:seen], "all")
        overall.append(values["all"])
        steps.append(
            {
                "step": step,
                "task": step,
                "classes_seen": seen,
                "per_class": per_class(confusion, CLASSES[:seen]),
                "overall": values["all"],
                "old": values["old"],
                "new": values["new"],
                "train_images": 1000 // (step + 1),
                "test_images": images,
                "seconds": 100.0 + 40 * step,
                "seconds_per_iter": 0.21,
                "parameters": 39_000_000,
                "memory_bytes": 700_000 * step,
                "held_bytes": 3_000_000 * step,
                "peak_memory_bytes": 2_000_000_000 + step,
                "peak_memory_of": "process",
            }
        )
    results = {
        "schema": 1,
        "method": method,
        "config": f"{method}_toy",
        "seed": 0,
        "protocol": {
            "name": "toy 3-2-2",
            "dataset": "discs",
            "scenario": "class-incremental",
            "setting": "overlap",
            "fingerprint": fingerprint,
            "tasks": [
                {
                    "name": f"task {task}",
                    "classes": [CLASSES[i] for i, of in enumerate(TASKS) if of == task],
                }
                for task in range(NUM_STEPS)
            ],
            "classes": CLASSES,
            "palette": default_palette(len(CLASSES)),
        },
        "metric": "mIoU",
        "matrix": matrix,
        "summary": {**summarise(matrix, overall), **values},
        "steps": steps,
        "command": f"python tools/train.py toy --method {method} --seed 0",
        "environment": {"vdfd_seg": "0.1.0", "torch": "2.13.0"},
    }
    write_results(work_dir / "results.json", results)
    return work_dir


def _discs(rng, side):
    count = int(rng.integers(3, 6))
    classes = rng.integers(1, len(CLASSES), count)
    centres = rng.integers(0, side, (count, 2))
    radii = rng.integers(side // 8, side // 3, count)
    return [(int(c), xy, int(r)) for c, xy, r in zip(classes, centres.tolist(), radii, strict=True)]


def _draw(discs, side, rng=None):
    mask = np.zeros((side, side), dtype=np.uint8)
    rows, columns = np.mgrid[:side, :side]
    for index, (row, column), radius in discs:
        shift = rng.normal(0, side / 40, 2) if rng is not None else (0, 0)
        inside = (rows - row - shift[0]) ** 2 + (columns - column - shift[1]) ** 2 < radius**2
        mask[inside] = index
    return mask


def _save_sample(folder, name, discs, side, rng):
    truth = _draw(discs, side)
    picture = colourise(truth, default_palette(len(CLASSES))) // 2 + 60
    picture = np.clip(picture + rng.normal(0, 12, picture.shape), 0, 255).astype(np.uint8)
    truth[:2] = 255
    _save(folder / f"{name}.png", truth)
    Image.fromarray(picture).save(folder / f"{name}.jpg")


def _save(path, mask):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(mask).save(path)
