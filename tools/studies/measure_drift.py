#!/usr/bin/env python
"""Measure how the outputs on old tasks drift, and how much of it a mean logit sees.

    python tools/studies/measure_drift.py CONFIG WORK_DIR

For a finished classification run whose checkpoints are all there: on the test images of each task
i < T, the logits z of its classes just after it was learned and after the last step T, and their
change d(x) = z_T(x) - z_i(x). Prints, averaged over the tasks i < T:

* accuracy then and now, and now with the batch-norm statistics of then put back;
* the mean square change, mean_x |d(x)|^2, and the shares of it that are the mean over images,
  |mean_x d(x)|^2 (all that a displacement of mean logits can be), and a shift of all classes of an
  image by the same amount, which no softmax sees;
* for runs of VDFD, the mean change that the gradient memory predicts to first order, next to the
  real one: the ratio of their lengths and the cosine between them.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

from vdfd_seg.cli import run_guarded
from vdfd_seg.utils.installation import quiet_imports

KEYS = (
    "accuracy then",
    "now",
    "now, statistics of then",
    "mean square change",
    "share of the mean",
    "share of a common shift",
    "predicted / real",
    "cosine",
)
"""What is printed of each run."""


@torch.no_grad()
def task_logits(network: nn.Module, data, task: int, cfg: dict) -> tuple[Tensor, Tensor]:
    """Logits of a task's classes ``(N, C)`` and labels among them, on its test images."""
    labels = data.protocol.task_labels(task)
    samples = [s for s in data.test_samples(task) if s.task == task]
    parts = []
    for batch in data.pass_over(data.evaluate_on_part, samples, cfg):
        batch = network.data_preprocessor(batch, training=False)
        logits = network(batch["inputs"])[:, labels.start : labels.stop]
        parts.append((logits.double().cpu(), batch["data_samples"].labels.cpu() - labels.start))
    return tuple(torch.cat(each) for each in zip(*parts, strict=True))


def predicted_change(memory, before: dict, after: dict) -> Tensor:
    """``sum_l R_l.T L_l.T (z_l(w_T) - z_l(w_i))`` ``(C,)``: the memory's first-order prediction."""
    total = torch.zeros(memory.num_classes, dtype=torch.float64)
    for name, layout in memory.layouts.items():
        moved = layout.sums(after[name].double() - before[name].double(), torch.float64)
        total += memory.right[name].double().t() @ (memory.left[name].double().t() @ moved)
    return total


def accuracy(logits: Tensor, labels: Tensor) -> float:
    return 100 * float((logits.argmax(1) == labels).double().mean())


def measure(config: str, work_dir: Path, data_root: str | None = None) -> list[dict]:
    """One row a task before the last, see the module's text."""
    from finished import FinishedRun

    from vdfd_seg.distillation import GradientMemory

    run = FinishedRun(config, work_dir, {} if data_root is None else {"data_root": data_root})
    data, cfg = run.data, run.loader
    last = len(run.saved) - 1
    after = run.saved[last]["state_dict"]
    now = run.network(last)
    rows = []
    for task in range(last):
        then = run.saved[task]["state_dict"]
        old, labels = task_logits(run.network(task), data, task, cfg)
        new, _ = task_logits(now, data, task, cfg)
        restored = run.network(last, **{k: v for k, v in then.items() if "running_" in k})
        change = new - old
        square = change.square().sum(1).mean()
        row = {
            "accuracy then": accuracy(old, labels),
            "now": accuracy(new, labels),
            "now, statistics of then": accuracy(task_logits(restored, data, task, cfg)[0], labels),
            "mean square change": float(square),
            "share of the mean": float(change.mean(0).square().sum() / square),
            "share of a common shift": float(
                (change.mean(1).square() * change.shape[1]).mean() / square
            ),
        }
        memories = run.saved[task]["method"]["state"].get("memories", [])
        if memories:
            memory = GradientMemory.from_state(memories[task])
            guess = predicted_change(memory, then, after)
            mean = change.mean(0)
            row["predicted / real"] = float(guess.norm() / mean.norm())
            row["cosine"] = float(torch.cosine_similarity(guess, mean, dim=0))
        rows.append(row)
    return rows


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config file, or its name among the packaged configs")
    parser.add_argument("work_dirs", type=Path, nargs="+", help="finished runs of it")
    parser.add_argument("--data-root", help="the run's data set")
    args = parser.parse_args(argv)
    with quiet_imports():
        import vdfd_seg.engine  # noqa: F401
    print("| | " + " | ".join(KEYS) + " |")
    print("|---|" + "---|" * len(KEYS))
    for work_dir in args.work_dirs:
        rows = measure(args.config, work_dir, args.data_root)
        cells = []
        for key in KEYS:
            values = [row[key] for row in rows if key in row]
            cells.append(f"{sum(values) / len(values):.3g}" if values else "")
        print(f"| {work_dir.name} | " + " | ".join(cells) + " |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
