#!/usr/bin/env python3
"""What a segmentor's last features would give with a classifier that saw every class.

A linear classifier is trained again on the classifier's input, over the pixels of all images of all
steps so far with the labels of all their classes, and evaluated as the step was. What it gains on
the step's own classifier was lost in the classifier (rows that were overwritten, or that the
background swallows); what it lacks to joint training was lost in the features.

Usage: python tools/analysis_tools/linear_probe.py CONFIG CHECKPOINT [--method NAME] [--step K]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.cli.arguments import add_checkpoint_arguments, add_config_arguments, settings_of
from vdfd_seg.utils.paths import find_checkpoints


def fitted(features, labels, num_classes: int, iterations: int, seed: int = 0) -> tuple:
    """Rows ``(C, d)`` and biases ``(C,)`` of a softmax regression, trained with Adam.

    ``features`` are ``(P, d)``, ``labels`` ``(P,)`` in [0, C). Each update is on 4096 features; the
    learning rate falls from 0.01 to 0.
    """
    import torch
    import torch.nn.functional as F

    generator = torch.Generator().manual_seed(seed)
    # Of one scale, so that one learning rate suits every feature.
    scale = features.std(0).clamp_min(1e-6)
    rows = torch.zeros(num_classes, features.shape[1], requires_grad=True)
    bias = torch.zeros(num_classes, requires_grad=True)
    optimizer = torch.optim.Adam([rows, bias], lr=0.01)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, iterations)
    for _ in range(iterations):
        own = torch.randint(len(features), (4096,), generator=generator)
        loss = F.cross_entropy(F.linear(features[own] / scale, rows, bias), labels[own])
        optimizer.zero_grad()
        (loss + 1e-4 * rows.square().sum()).backward()
        optimizer.step()
        schedule.step()
    return (rows / scale).detach(), bias.detach()


def probe(settings, checkpoint: Path, iterations: int) -> list[tuple[str, dict]]:
    """The metrics of a step with its own classifier, and with one trained on all classes."""
    import torch

    from vdfd_seg.engine import open_data, set_up
    from vdfd_seg.engine.run.evaluation import confusions_of_step, step_metrics
    from vdfd_seg.engine.run.testing import load_learner
    from vdfd_seg.methods.common.feature_cache import at_middle
    from vdfd_seg.protocols import IGNORE_INDEX
    from vdfd_seg.utils.checkpoint import load_step

    set_up()
    saved = load_step(checkpoint)
    data = open_data(settings)
    data.protocol.check_problem("linear_probe", "segmentation")
    step = saved["meta"]["step"]
    loader = settings.for_step(step).test_dataloader
    learner = load_learner(settings, step, saved)

    def metrics():
        return step_metrics(data.protocol, step, confusions_of_step(learner, data, step, loader))

    found = [("its own classifier", metrics())]
    features, labels = [], []
    learner.eval()
    with torch.no_grad():
        for batch in data.pass_over("train", data.cumulative_samples(step), loader):
            batch = learner.network.data_preprocessor(batch, training=False)
            embedding = learner.adapter.outputs(batch["inputs"]).embedding
            features.append(embedding.movedim(1, -1).flatten(0, 2).half().cpu())
            masks = at_middle(learner.adapter.labels(batch["data_samples"]), embedding.shape[-2:])
            labels.append(masks.flatten().cpu().long())
    known = torch.cat(labels) != IGNORE_INDEX
    features, labels = torch.cat(features)[known].float(), torch.cat(labels)[known]
    rows, bias = learner.adapter.classifier()
    new_rows, new_bias = fitted(features, labels, len(rows), iterations)
    with torch.no_grad():
        rows.copy_(new_rows)
        if bias is not None:
            bias.copy_(new_bias)
    return [*found, ("a linear probe", metrics())]


def main(argv=None) -> None:
    """Print old, new and all for both classifiers."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parse)
    add_checkpoint_arguments(parse)
    parse.add_argument("--iterations", type=int, default=600, help="of the probe; default 600")
    args = parse.parse_args(argv)
    (path,) = find_checkpoints(args.checkpoint, args.step)
    print(f"{'':20} {'old':>6} {'new':>6} {'all':>6}")
    for name, metrics in probe(settings_of(args), path, args.iterations):
        numbers = [metrics.get(key) for key in ("old", "new", "all")]
        shown = ["-" if n is None else f"{n:.2f}" for n in numbers]
        print(f"{name:20} {shown[0]:>6} {shown[1]:>6} {shown[2]:>6}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
