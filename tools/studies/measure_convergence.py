#!/usr/bin/env python
"""Measure how far the mean gradient of n images is from that of all.

    python tools/studies/measure_convergence.py
    python tools/studies/measure_convergence.py --config CONFIG \\
        --checkpoint WORK_DIR/step_00/checkpoint.pth

Without a config: of a small classifier of scikit-learn's digits; with one, of a step of a run, on
that step's training images. Images are taken in blocks in random order; the error for n images is
the relative distance (Frobenius norm over all penalised parameters and classes) of their mean
gradient from that of all, averaged over all disjoint draws of n images. Prints a Markdown table.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdfd_seg.distillation import MeanGradientEstimator, penalisable_parameters
from vdfd_seg.models.preact_resnet import PreActResNet

BLOCK = 8
"""Images whose mean gradients are taken together."""


def measure(args: argparse.Namespace, device: torch.device) -> None:
    source = digits_blocks if args.config is None else run_blocks
    overs = ("all", "label", "prediction")
    blocks = {over: [] for over in overs}
    for over, gradients, counts in source(args, device, overs):
        blocks[over].append((gradients, counts))
    exact = {over: combined(parts) for over, parts in blocks.items()}
    total = len(blocks["all"])
    print(f"\n| images | {' | '.join(f'relative error, {over}' for over in overs)} |")
    print("|---|" + "---|" * len(overs))
    number = 1
    while number * 2 <= total:
        errors = []
        for over in overs:
            starts = range(0, total - number + 1, number)
            draws = [combined(blocks[over][first : first + number]) for first in starts]
            parts = [float((draw - exact[over]).norm() / exact[over].norm()) for draw in draws]
            errors.append(sum(parts) / len(parts))
        print(f"| {number * BLOCK} | {' | '.join(f'{error:.3f}' for error in errors)} |")
        number *= 2


def combined(parts: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Mean gradient ``(D, C)`` over several blocks of images."""
    total = sum(counts for _, counts in parts)
    return sum(gradients for gradients, _ in parts) / total.clamp_min(1)


def counted(over: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Which pixels count for which channel, of the logits' shape."""
    if over == "all":
        return torch.ones_like(logits, dtype=torch.bool)
    belongs = logits.argmax(1)
    if over == "label":
        size = logits.shape[2:]
        labels = labels.view(len(logits), 1, *labels.shape[-len(size) :] if size else ())
        if size:
            labels = F.interpolate(labels.float(), tuple(size), mode="nearest-exact")
        belongs = labels[:, 0].long()
    channels = torch.arange(logits.shape[1], device=logits.device)
    return belongs[:, None] == channels.view(-1, *[1] * (logits.ndim - 2))


def block_gradient(
    module: nn.Module, params: dict, outputs: range, over: str, batches: Sequence
) -> tuple[Tensor, Tensor]:
    """Sum of the gradients ``(D, C)`` over pixels that count, and their number ``(C,)``."""
    pixels, counts = 0, torch.zeros(len(outputs), dtype=torch.float64)
    with MeanGradientEstimator(module, params, outputs) as estimator:
        for forward, inputs, labels in batches:

            def masked(inputs, forward=forward, labels=labels):
                nonlocal pixels, counts
                logits = forward(inputs)
                mask = counted(over, logits.detach(), labels)
                pixels += logits[:, 0].numel()
                counts = counts + mask[:, list(outputs)].transpose(0, 1).flatten(1).sum(1).cpu()
                return logits * mask

            estimator.update(masked, inputs)
    found = torch.cat(list(estimator.mean_gradients().values()))
    return found.cpu() * pixels, counts


def digits_blocks(args: argparse.Namespace, device: torch.device, overs: Sequence[str]) -> Iterator:
    """A PreActResNet trained on scikit-learn's digits."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32, device=device)[:, None] / 16.0
    labels = torch.tensor(digits.target, device=device)
    order = torch.randperm(len(images))
    images, labels = images[order], labels[order]
    module = PreActResNet([1, 1, 1], [16, 32, 64], 10, in_channels=1).to(device)
    optimizer = torch.optim.Adam(module.parameters(), lr=3e-3)
    for _ in range(8):
        for rows in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(module(images[rows]), labels[rows]).backward()
            optimizer.step()
    params = penalisable_parameters(module, exclude=["linear"])
    module.eval()
    with torch.no_grad():
        accuracy = float((module(images).argmax(1) == labels).float().mean())
    print(f"PreActResNet, digits, {len(images)} images, training accuracy {accuracy:.3f}")
    for start in range(0, len(images) - BLOCK + 1, BLOCK):
        rows = slice(start, start + BLOCK)
        for over in overs:
            batches = [(module, images[rows], labels[rows])]
            yield over, *block_gradient(module, params, range(10), over, batches)


def run_blocks(args: argparse.Namespace, device: torch.device, overs: Sequence[str]) -> Iterator:
    """The network of a run's step, on that step's training images in random order."""
    from vdfd_seg.engine import load_run, open_data, set_up
    from vdfd_seg.engine.run.testing import load_learner
    from vdfd_seg.utils.checkpoint import load_step

    set_up()
    options = {} if args.data_root is None else {"data_root": args.data_root}
    settings = load_run(args.config, options=options)
    saved = load_step(args.checkpoint)
    step = saved["meta"]["step"]
    data = open_data(settings)
    adapter = load_learner(settings, step, saved).adapter
    network = adapter.network.requires_grad_(True)
    params = penalisable_parameters(network, exclude=adapter.excluded_prefixes)
    samples = data.train_samples(step)
    samples = [samples[i] for i in torch.randperm(len(samples))[: args.images]]
    loader = settings.for_step(step).test_dataloader
    print(f"{settings.name}, step {step}, {len(samples) // BLOCK * BLOCK} images")
    for start in range(0, len(samples) - BLOCK + 1, BLOCK):
        batches = []
        for batch in data.pass_over("train", samples[start : start + BLOCK], loader):
            batch = network.data_preprocessor(batch, training=False)
            labels = adapter.labels(batch["data_samples"])
            batches.append((adapter.logits, batch["inputs"], labels))
        for over in overs:
            outputs = data.protocol.task_labels(step)
            yield over, *block_gradient(network, params, outputs, over, batches)


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--config", help="of a run")
    parser.add_argument("--checkpoint", help="of a step of that run")
    parser.add_argument("--data-root", help="the run's data set")
    parser.add_argument("--images", type=int, help="use so many; default all")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads; default PyTorch's")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    measure(args, torch.device(args.device))
    return 0


if __name__ == "__main__":
    sys.exit(main())
