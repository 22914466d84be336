#!/usr/bin/env python
"""Measure MiB's two losses, and PLOP's Local POD, next to the same written with autograd.

    python tools/studies/benchmark_losses.py --batch 2 --image-size 512

For each: the processor's time of a forward and backward pass, and the peak of memory without the
logits or maps, the best of the repeats. Maps have 256 channels and an eighth of the image's side.
On a GPU (``--device cuda``) the time is that of the clock.
"""

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from benchmark_distillation import MEBI, PeakMemory
from torch import Tensor

from vdfd_seg.losses import (
    local_pod_distance,
    new_classes_as_background,
    unbiased_cross_entropy,
    unbiased_distillation,
)


def plain_cross_entropy(logits: Tensor, labels: Tensor, num_hidden: int) -> Tensor:
    """The unbiased cross-entropy, of logarithms of probabilities."""
    log_q = F.log_softmax(logits, 1)
    background = log_q[:, :num_hidden].logsumexp(1, keepdim=True)
    merged = torch.cat([background, log_q[:, 1:]], 1)
    return F.nll_loss(merged, labels.masked_fill(labels < num_hidden, 0), ignore_index=255)


def plain_distillation(new: Tensor, old: Tensor) -> Tensor:
    """The unbiased distillation, of logarithms of probabilities."""
    num_old = old.shape[1]
    log_r = new_classes_as_background(F.log_softmax(new, 1), num_old)
    return -(old.softmax(1) * log_r).sum(1).mean() / num_old


def plain_local_pod(new: Tensor, old: Tensor) -> Tensor:
    """Local POD, of the means of the cells of each scale."""
    squares, pooled = (new - old) * (new + old), []
    for scale in (1, 2, 4):
        cells = squares.unflatten(3, (scale, -1)).unflatten(2, (scale, -1))
        pooled += [cells.mean(5).flatten(1), cells.mean(3).flatten(1)]
    return torch.linalg.vector_norm(torch.cat(pooled, 1), dim=1).mean()


def measured(loss: Callable[[], Tensor], given: Tensor, repeats: int) -> tuple[float, int]:
    """Best time in seconds, and peak memory in bytes, of a forward and backward pass."""
    clock = time.process_time if given.device.type == "cpu" else time.perf_counter
    times, peaks = [], []
    for _ in range(repeats):
        given.grad = None
        with PeakMemory(given.device) as memory:
            begun = clock()
            loss().backward()
            if given.is_cuda:
                torch.cuda.synchronize()
            times.append(clock() - begun)
        peaks.append(memory.bytes)
    return min(times), min(peaks)


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--image-size", type=int, default=512)
    parser.add_argument("--classes", type=int, default=21)
    parser.add_argument("--old", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", default="cpu")
    args = parser.parse_args(argv)
    torch.manual_seed(0)
    shape = (args.batch, args.image_size, args.image_size)
    options = {"device": args.device}
    logits = torch.randn(shape[0], args.classes, *shape[1:], requires_grad=True, **options)
    old = torch.randn(shape[0], args.old, *shape[1:], **options)
    labels = torch.randint(args.classes, shape, **options)
    side = args.image_size // 8
    new_map, old_map = (
        torch.randn(args.batch, 256, side, side, **options).to(memory_format=torch.channels_last)
        for _ in range(2)
    )
    new_map.requires_grad_()
    pairs = {
        "unbiased cross-entropy": (
            logits,
            lambda: plain_cross_entropy(logits, labels, args.old),
            lambda: unbiased_cross_entropy(logits, labels, args.old),
        ),
        "unbiased distillation": (
            logits,
            lambda: plain_distillation(logits, old),
            lambda: unbiased_distillation(logits, old),
        ),
        "Local POD": (
            new_map,
            lambda: plain_local_pod(new_map, old_map),
            lambda: local_pod_distance(new_map, old_map),
        ),
    }
    size = logits.numel() * logits.element_size() / MEBI
    print(f"logits {tuple(logits.shape)}, {size:.0f} MiB; {args.old} old classes\n")
    print("| | autograd ms | ours ms | ratio | autograd MiB | ours MiB |")
    print("|---|---|---|---|---|---|")
    for name, (given, *losses) in pairs.items():
        (before, most), (now, least) = (measured(each, given, args.repeats) for each in losses)
        print(
            f"| {name} | {1e3 * before:.0f} | {1e3 * now:.0f} | {now / before:.2f} "
            f"| {most / MEBI:.0f} | {least / MEBI:.0f} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
