#!/usr/bin/env python
"""Measure predictions from the classes' Gaussians, without and with following their drift.

    python tools/studies/measure_gaussian_classifier.py CONFIG WORK_DIR

For a finished classification run whose checkpoints are all there, of any method. Prints the
accuracy after the last step, the mean over the tasks, of

* the heads;
* the Gaussians of all classes, moved on at each step as VDFDPlus moves them;
* the same moved by one linear map for all, from the new images as they are;
* the same left where they were when their task was learned;
* the same taken again from all old images with the last network, which no estimate can beat;

and where the task is known, each together with the heads, weighed by ``--weight``.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import torch
from mmengine.config import DictAction
from torch import Tensor, nn

from vdfd_seg.cli import run_guarded
from vdfd_seg.utils.installation import quiet_imports


@torch.no_grad()
def features(network: nn.Module, data, part: str, samples: list, cfg: dict, rotations: int = 0):
    """Features ``(N, d)`` and logits ``(N, C)`` of samples, and the data samples of each batch."""
    found, logits, batches = [], [], []
    for batch in data.pass_over(part, samples, cfg):
        batch = network.data_preprocessor(batch, training=False)
        found.append(network.features(batch["inputs"].rot90(rotations, (2, 3))))
        logits.append(network.logits(found[-1])[:, :: network.rows_per_class])
        batches.append(batch["data_samples"])
    return torch.cat(found), torch.cat(logits).float(), batches


def gaussians_after(networks: Sequence[nn.Module], data, cfg: dict) -> dict:
    """The Gaussians after the last step: moved in two ways, left, and from old images."""
    from vdfd_seg.distillation import ClassGaussians, linear_drift
    from vdfd_seg.methods.common.gaussian_classifier import rotated_thirds

    def of(network, step):
        found, _, batches = features(network, data, "train", data.train_samples(step), cfg)
        labels = torch.cat([batch.labels for batch in batches])
        classes = data.protocol.task_labels(step)
        return found.cpu(), ClassGaussians.of(found.cpu(), labels.cpu(), classes)

    def rotated(network, step):
        parts = rotated_thirds(data.train_samples(step))
        return [
            features(network, data, "train", own, cfg, rotations)[0].cpu()
            for rotations, own in parts
        ]

    _, own = of(networks[0], 0)
    moved = by_one_map = left = own
    for step in range(1, len(networks)):
        old, new = networks[step - 1 : step + 1]
        (before, _), (after, own) = of(old, step), of(new, step)
        drift = linear_drift(before, after)
        moved = moved.moved(
            torch.cat([before, *rotated(old, step)]), torch.cat([after, *rotated(new, step)])
        ).joined(own)
        by_one_map = ClassGaussians(
            drift.of_points(by_one_map.means), drift.of_covariance(by_one_map.covariance), step
        ).joined(own)
        left = left.joined(own)
    earlier = [of(networks[-1], step)[1] for step in range(len(networks) - 1)]
    again = reduce(ClassGaussians.joined, [*earlier, own])
    return {"moved": moved, "by one map": by_one_map, "not moved": left, "from old images": again}


def measure(config: str, work_dir: Path, weight: float, options: dict | None = None) -> dict:
    """Accuracies in percent by classifier, see the module's text."""
    from finished import FinishedRun

    from vdfd_seg.engine.networks import checked_adapter
    from vdfd_seg.methods.common.gaussian_classifier import within_tasks

    run = FinishedRun(config, work_dir, options)
    data, cfg, last = run.data, run.loader, len(run.saved) - 1
    networks = [run.network(step) for step in range(last + 1)]
    adapter = checked_adapter(networks[-1], run.protocol)
    found, heads, batches = features(
        networks[-1], data, data.evaluate_on_part, data.test_samples(last), cfg
    )

    def accuracy(scores: Tensor) -> float:
        parts = scores.split([len(batch) for batch in batches])
        right = torch.cat([
            adapter.competing(part, batch).argmax(1) == batch.labels
            for part, batch in zip(parts, batches, strict=True)
        ])  # fmt: skip
        tasks = torch.cat([batch.tasks for batch in batches])
        each = [right[tasks == task].double().mean() for task in range(last + 1)]
        return 100 * float(torch.stack(each).mean())

    result = {"heads": accuracy(heads)}
    for name, gaussians in gaussians_after(networks, data, cfg).items():
        rows, offsets = (part.to(found).float() for part in gaussians.discriminant())
        scores = torch.addmm(offsets, found.float(), rows.T)
        result[name] = accuracy(scores)
        if run.protocol.scenario == "task":
            sizes = networks[-1].head_sizes
            result[f"{name}, and heads"] = accuracy(within_tasks(heads, scores, sizes, weight))
    return result


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("config", help="config file, or its name among the packaged configs")
    parser.add_argument("work_dirs", type=Path, nargs="+", help="finished runs of it")
    parser.add_argument("--weight", type=float, default=0.1, help="of the Gaussians, next to heads")
    parser.add_argument("--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V")
    args = parser.parse_args(argv)
    with quiet_imports():
        import vdfd_seg.engine  # noqa: F401
    for number, work_dir in enumerate(args.work_dirs):
        row = measure(args.config, work_dir, args.weight, args.cfg_options)
        if not number:
            print("| | " + " | ".join(row) + " |\n|---|" + "---|" * len(row))
        print(f"| {work_dir.name} | " + " | ".join(f"{v:.2f}" for v in row.values()) + " |",
              flush=True)  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
