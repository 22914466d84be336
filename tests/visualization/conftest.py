"""Work dirs that look like finished runs, made of numbers and coloured squares."""

from pathlib import Path
from statistics import mean

import numpy as np
import pytest
from PIL import Image

from tests.evaluation.conftest import RESULTS
from vdfd_seg.evaluation import write_results
from vdfd_seg.evaluation.measures import summarise
from vdfd_seg.protocols.voc import default_palette
from vdfd_seg.visualization import colourise

CLASSES = ["background", "boat", "cat", "chair", "dog & wolf", "horse", "sofa"]
TASKS = [0, 0, 0, 1, 1, 2, 2]
TASK_NAMES = ["base", "chair+dog & wolf", "horse+sofa"]
NUM_STEPS = 3


@pytest.fixture(scope="session")
def runs(tmp_path_factory):
    """Work dirs of three methods; not to be written to."""
    root = tmp_path_factory.mktemp("runs")
    forget = {"finetune": 0.5, "mib": 0.2, "vdfd": 0.0}
    return [make_run(root, method, share) for method, share in forget.items()]


def make_run(
    root: Path, method: str, forget=0.1, images: int = 3, fingerprint="f1a9" * 4, **changes
) -> Path:
    """Write a work dir; with each later step a class loses the share ``forget`` of its value.

    ``changes`` replace keys of its results.
    """
    rng = np.random.default_rng(0)
    work_dir = root / method
    matrix, steps = [], []
    for step in range(NUM_STEPS):
        seen = sum(task <= step for task in TASKS)
        values = [
            (80 - 5 * index) * (1 - forget) ** (step - task)
            for index, task in enumerate(TASKS[:seen])
        ]
        old, new, overall = mean(values[:3]), mean(values[3:]) if step else None, mean(values)
        tasks = [
            mean(v for v, task in zip(values, TASKS) if task == number)
            for number in range(step + 1)
        ]
        matrix.append(tasks + [None] * (NUM_STEPS - len(tasks)))
        steps.append(
            {
                **RESULTS["steps"][0],
                "step": step,
                "task": step,
                "classes_seen": seen,
                "per_class": dict(zip(CLASSES, values)),
                "confusions": {"0": rng.integers(0, 100, (seen, seen)).tolist()},
                "overall": overall,
                "old": old,
                "new": new,
                "test_images": images,
                "seconds": 100.0 + 40 * step,
                "memory_bytes": 700_000 * step,
                "held_bytes": 3_000_000 * step,
                "peak_memory_bytes": 2_000_000_000 + step,
                "peak_memory_of": "process",
            }
        )
        for name in range(images):
            _save(work_dir / f"step_{step:02d}/predictions/im{name}.png", _squares(rng, seen))
    for name in range(images):
        truth = _squares(rng, len(CLASSES))
        picture = colourise(truth, default_palette(len(CLASSES))) // 2 + 60
        truth[:2] = 255
        _save(work_dir / f"samples/im{name}.png", truth)
        _save(work_dir / f"samples/im{name}.jpg", picture)
    tasks = [
        {"name": name, "classes": [CLASSES[i] for i, of in enumerate(TASKS) if of == task]}
        for task, name in enumerate(TASK_NAMES)
    ]
    results = {
        **RESULTS,
        "method": method,
        "config": f"{method}_toy",
        "protocol": {
            **RESULTS["protocol"],
            "name": "toy 3-2-2",
            "dataset": "discs",
            "fingerprint": fingerprint,
            "tasks": tasks,
            "classes": CLASSES,
            "palette": default_palette(len(CLASSES)),
        },
        "matrix": matrix,
        "summary": {
            **summarise(matrix, [step["overall"] for step in steps]),
            **{"old": old, "new": new, "all": overall},
        },
        "steps": steps,
        "command": f"python tools/train.py toy --method {method} --seed 0",
        "environment": {"vdfd_seg": "0.1.0", "torch": "2.13.0"},
        **changes,
    }
    write_results(work_dir / "results.json", results)
    return work_dir


def _squares(rng, classes, side=48):
    return np.kron(rng.integers(0, classes, (4, 4)), np.ones((side // 4,) * 2)).astype(np.uint8)


def _save(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
