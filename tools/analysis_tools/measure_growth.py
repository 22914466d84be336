#!/usr/bin/env python3
"""Does memory grow over the steps of a long sequence?

    python tools/analysis_tools/measure_growth.py [--steps 20] [--method VDFD] [--out growth.json]

Trains a sequence of many tiny steps in one process, two classes each, and notes after every step
the resident memory, the Python objects (networks and tensors apart), the open files and the size of
the text logs. A method
carries something on from every task (VDFD one memory a task), so what it reports as its memory is
noted too, and taken off. The growth is that of the second half of the steps, in bytes a step, by
Theil and Sen's median of slopes; caches fill in the first.
"""

import argparse
import gc
import itertools
import json
import os
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import numpy as np  # noqa: E402

SIDE = 8


def config(root: Path, steps: int, method: str) -> dict:
    """A classifier of two classes a task, a few iterations a step."""

    def loader(split):
        data = {"type": "vdfd_seg.ImageArrays", "data_root": str(root), "split": split}
        return {"batch_size": 8, "dataset": data}

    return {
        "default_scope": "mmseg",
        "model": {
            "type": "vdfd_seg.ContinualClassifier",
            "data_preprocessor": {"type": "vdfd_seg.ImageBatchPreprocessor", "crop_padding": 1},
            "backbone": {"type": "vdfd_seg.PreActResNet", "depths": (1, 1), "widths": (8, 16)},
        },
        "protocol": {"type": "CIFAR100", "tasks": steps, "num_classes": 2 * steps},
        "method": {"type": method},
        "train_dataloader": loader("train"),
        "test_dataloader": loader("test"),
        "train_cfg": {"max_iters": 4},
        "optim_wrapper": {"type": "OptimWrapper", "optimizer": {"type": "SGD", "lr": 0.01}},
        "save_interval": 2,
    }


def write_data(root: Path, names: tuple) -> None:
    """Images of noise."""
    from vdfd_seg.datasets.image_arrays import write_arrays

    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        labels = np.repeat(np.arange(len(names)), 4)
        images = rng.integers(0, 256, (len(labels), SIDE, SIDE, 3)).astype(np.uint8)
        write_arrays(root, split, images, labels, names)


def resident() -> int:
    """Bytes of memory that this process holds now."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def alive() -> dict[str, int]:
    """How many Python objects there are, and how many networks' parts and tensors of them."""
    import torch

    kinds = [type(item) for item in gc.get_objects()]
    return {
        "objects": len(kinds),
        "modules": sum(issubclass(kind, torch.nn.Module) for kind in kinds),
        "tensors": sum(issubclass(kind, torch.Tensor) for kind in kinds),
    }


def slope(values: list[float]) -> float:
    """Theil and Sen's estimate: the median of the slopes of all pairs."""
    pairs = itertools.combinations(enumerate(values), 2)
    return statistics.median((b - a) / (j - i) for (i, a), (j, b) in pairs)


def measure(folder: Path, steps: int, method: str) -> list[dict]:
    """Train and note; one entry a step."""
    from vdfd_seg.cli import run_command
    from vdfd_seg.engine.ledger import Ledger
    from vdfd_seg.protocols.cifar import CLASSES

    content = config(folder / "data", steps, method)
    write_data(folder / "data", CLASSES)
    file = folder / "growth.py"
    file.write_text("".join(f"{key} = {value!r}\n" for key, value in content.items()))
    rows, add = [], Ledger.add

    def noted(self, step, metrics, meta):
        add(self, step, metrics, meta)
        written = json.loads(self.run.results.read_text())
        gc.collect()
        rows.append({
            "step": step, "resident": resident(), **alive(),
            "files": len(os.listdir("/proc/self/fd")), "method": meta["memory_bytes"],
            "log": sum(p.stat().st_size for p in (folder / "work").rglob("*.log")),
            "in_results": len(written["steps"]),
        })  # fmt: skip

    Ledger.add = noted
    try:
        status = run_command("train", [str(file), "--work-dir", str(folder / "work")])
    finally:
        Ledger.add = add
    if status:
        raise SystemExit(status)
    return rows


def summarise(rows: list[dict]) -> dict:
    """Growth a step in the second half; ``unexplained`` leaves out what the method reports."""
    half = rows[len(rows) // 2 :]
    growth = {
        key: slope([row[key] for row in half])
        for key in ("resident", "objects", "modules", "tensors", "files", "method", "log")
    }
    growth["unexplained"] = slope([row["resident"] - row["method"] for row in half])
    return growth


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, default=20, help="2 to 50")
    parser.add_argument("--method", default="VDFD")
    parser.add_argument("--out", type=Path, help="write everything as JSON")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), args.steps, args.method)
    growth = summarise(rows)
    for row in rows:
        numbers = ", ".join(f"{key} {value}" for key, value in row.items() if key != "step")
        print(f"step {row['step']:2d}: {numbers}")
    print("growth a step in the second half: "
          + ", ".join(f"{key} {value:.0f}" for key, value in growth.items()))  # fmt: skip
    if args.out:
        args.out.write_text(json.dumps({"rows": rows, "growth": growth}, indent=1) + "\n")


if __name__ == "__main__":
    main()
