#!/usr/bin/env python
"""Why VDFD's penalty makes the loss leap, and by what it keeps old tasks: a small study.

    python tools/studies/stability_study.py --plot curves.png
    python tools/studies/stability_study.py --parts finetune gradient --lambdas 1 100
    python tools/studies/stability_study.py --data ROOT --classes 30 --epochs 5 --seeds 0

Task-incremental classification with a small PreActResNet under Adam, one bias-free head a task.
All variants of a seed continue from the same network after task 1. By default scikit-learn's
digits, 5 tasks of 2 classes; ROOT holds ``{train,test}_images.npy`` (N, H, W, 3) uint8 and
``{train,test}_labels.npy``. ``--parts`` chooses from

- ``finetune``: no penalty, at the learning rate and fractions of it in tasks 2 and later;
- ``gradient``: the penalty's gradient joins the cross-entropy's before Adam (the paper's way);
- ``proximal``: an implicit step of the penalty after Adam's; its step size is the learning rate;
- ``proximal-adam``: the same, with Adam's step size of each entry;
- ``decoupled``: an explicit step of the penalty, of the learning rate, outside Adam;
- ``replay``: fine-tuning whose steps are shrunk, entry by entry and iteration by iteration, by
  the factor (at most 1) measured in the ``gradient`` run (real) of the same seed; then by the
  median.

All with a penalty run with the real memories and with random directions of the same singular
values. Columns: ``new`` is the mean accuracy of tasks 2 and later just after they were learned;
``shrink`` the median over entries and iterations of sqrt(v_CE) / sqrt(v), v being Adam's second
moment and v_CE that of the cross-entropy's gradient alone: what a step along the cross-entropy is
shortened by; ``edge`` the median of lr * (largest curvature of lambda * penalty in the metric of
the steps), stable below 2 (1 + beta1) / (1 - beta1) = 38 within Adam and below 2 outside;
``peak`` the largest cross-entropy plus lambda * quadratic term (the determinant, which no step of
the weights changes, is left out); ``burst`` the root of the largest quadratic term by the root of
the largest that one Adam step of lr in every entry can make. Prints Markdown tables, mean ±
standard deviation over the seeds.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from stability_learner import Learner, Variant, run
from torch import Tensor

PARTS = ("finetune", "gradient", "proximal", "proximal-adam", "decoupled", "replay")
COLUMNS = ("ACC", "BWT", "new", "shrink", "edge", "peak", "burst")
FORMATS = dict.fromkeys(("ACC", "BWT", "new"), ".1f") | {
    "shrink": ".2g", "edge": ".3g", "peak": ".3g", "burst": ".2g",
}  # fmt: skip
CHANGES = ("memory", "whole", "held", "true")


def load_tasks(args: argparse.Namespace) -> list[dict[str, Tensor]]:
    """``{train,test}_{images,labels}`` of each task, labels from 0 within the task."""
    if args.data is None:
        from sklearn.datasets import load_digits

        digits = load_digits()
        images = torch.tensor(digits.images[:, None] / 8.0 - 1.0, dtype=torch.float32)
        labels = torch.tensor(digits.target)
        test = torch.arange(len(labels)) % 4 == 0
        data = {"train": (images[~test], labels[~test]), "test": (images[test], labels[test])}
    else:
        data = {}
        for split in ("train", "test"):
            labels = np.load(args.data / f"{split}_labels.npy")
            chosen = labels < args.classes
            pixels = np.load(args.data / f"{split}_images.npy", mmap_mode="r")[chosen]
            images = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 64.0 - 2.0
            data[split] = (images, torch.from_numpy(labels[chosen]).long())
    size = args.classes // args.tasks
    tasks = []
    for first in range(0, args.tasks * size, size):
        task = {}
        for split, (images, labels) in data.items():
            inside = (labels >= first) & (labels < first + size)
            task[f"{split}_images"] = images[inside].contiguous()
            task[f"{split}_labels"] = labels[inside] - first
        tasks.append(task)
    return tasks


def variants(args: argparse.Namespace) -> list[Variant]:
    """All variants that were asked for, each ``gradient`` before its ``replay``."""
    found = []
    if "finetune" in args.parts:
        found += [Variant("finetune", scale=scale) for scale in args.scales]
    for part in args.parts:
        for weight in args.lambdas if part not in ("finetune", "replay") else ():
            if math.isinf(weight) and not part.startswith("proximal"):
                continue
            for directions in args.directions:
                found.append(Variant(part, weight, directions))
    return found


def run_seed(args: argparse.Namespace, tasks: list[dict], seed: int, report: Callable) -> None:
    """All variants from one network; ``report(name, learner)`` is called after each."""
    start = Learner(args, tasks, seed)
    start.learn(Variant("finetune"))
    for variant in variants(args):
        learner = run(start, variant)
        report(str(variant), learner)
        real = variant.directions == "real"
        if variant.part == "gradient" and real and "replay" in args.parts:
            again = Variant("replay", variant.weight, variant.directions)
            report(str(again), run(start, again, learner.factors))
            median = learner.results()["shrink"]
            report(str(again).replace("replay", "replay of median"), run(start, again, median))


def table(results: dict[str, list[dict[str, float]]]) -> str:
    """Mean ± standard deviation over the seeds."""
    lines = [f"| | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, seeds in results.items():
        cells = []
        for column in COLUMNS:
            values, form = [each.get(column, math.nan) for each in seeds], FORMATS[column]
            cell = "" if np.isnan(values).any() else format(np.mean(values), form)
            if not cell and column == "ACC":
                cell = f"diverged ({np.isnan(values).sum()} of {len(values)})"
            elif cell and len(values) > 1 and form == ".1f":
                cell += f" ± {np.std(values, ddof=1):.1f}"
            cells.append(cell)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def change_table(results: dict[str, list[dict[str, float]]]) -> str:
    """Root mean square change of old mean logits; correlation with that at held statistics."""
    lines = [f"| | {' | '.join(CHANGES)} |", "|---" * (len(CHANGES) + 1) + "|"]
    for name, seeds in results.items():
        if not all(seeds):
            continue
        cells = []
        for column in CHANGES:
            size = np.mean([each[column] for each in seeds])
            correlation = np.mean([each[f"{column}, correlation"] for each in seeds])
            cells.append(f"{size:.2g} ({correlation:.2f})")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def plot(logs: dict[str, list[dict[str, float]]], results: dict, file: Path) -> None:
    """Loss curves of the first seed, and what each variant keeps against what it learns."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(12, 4.5))
    for name, log in logs.items():
        if name == "fine-tuning, lr × 1" or (name.startswith("gradient") and "real" in name):
            left.plot([record["loss"] for record in log], label=name, linewidth=0.8)
    left.set(xlabel="iteration, tasks 2 and later", ylabel="cross-entropy + λ · quadratic term")
    left.set_yscale("log")
    left.set_ylim(top=left.get_ylim()[1] * 1e3)
    left.legend(fontsize=7, loc="upper center", ncol=2)
    markers = {"fine-tuning": "k*-", "gradient, real": "C0o", "gradient, random": "C1o"}
    markers |= {"proximal, real": "C0^", "proximal, random": "C1^"}
    markers |= {"proximal-adam, real": "C0s", "proximal-adam, random": "C1s"}
    markers |= {"replay, real": "C2D", "replay of median, real": "C2x"}
    for label, marker in markers.items():
        part, _, directions = label.partition(", ")
        points = [
            [np.mean([each[key] for each in seeds]) for key in ("new", "BWT")]
            for name, seeds in results.items()
            if name.split(",")[0] == part and name.endswith(directions) and all(seeds)
        ]
        if points:
            right.plot(*np.array(points).T, marker, label=label, markersize=5, linewidth=0.8)
    right.set(xlabel="new-task accuracy, %", ylabel="BWT, %")
    right.legend(fontsize=7, loc="lower left")
    figure.tight_layout()
    figure.savefig(file, dpi=110)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--directions", nargs="+", default=["real", "random"])
    default = [1e-3, 0.1, 1.0, 10.0, 1e3, 1e5, math.inf]
    parser.add_argument("--lambdas", type=float, nargs="+", default=default)
    parser.add_argument("--scales", type=float, nargs="+", default=[1, 0.3, 0.1, 0.03, 0.01, 3e-3])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", type=Path, help="folder of arrays; default: digits")
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--tasks", type=int, default=5)
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 1, 1])
    parser.add_argument("--widths", type=int, nargs="+", default=[16, 32, 64])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3, help="of the network")
    parser.add_argument("--head-lr", type=float, default=5e-3)
    parser.add_argument("--gcn-lr", type=float, default=7e-4)
    parser.add_argument("--rank", type=int, default=1)
    parser.add_argument("--memory-stride", type=int, default=1, help="every n-th image estimates")
    parser.add_argument("--plot", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE", help="all results, for later use")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    torch.set_num_threads(1)
    tasks = load_tasks(args)
    results: dict[str, list[dict[str, float]]] = {}
    logs: dict[str, list[dict[str, float]]] = {}
    for seed in args.seeds:

        def report(name: str, learner: Learner) -> None:
            results.setdefault(name, []).append(learner.results())
            logs.setdefault(name, learner.log)
            print(table({name: results[name][-1:]}).splitlines()[-1], file=sys.stderr, flush=True)

        run_seed(args, tasks, seed, report)
        if args.json:
            args.json.write_text(json.dumps({"results": results, "logs": logs}))
    print(table(results))
    print()
    print(change_table(results))
    if args.plot:
        plot(logs, results, args.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
