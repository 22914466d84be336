#!/usr/bin/env python
"""Measure the forward pass of an old network with and without its batch norms folded.

    python tools/studies/benchmark_folding.py voc-small_11-5 --method mib --batch 8

The networks, with fresh weights, take turns in one process. A time is the median of the rounds, of
the processor or, on a GPU, of the clock.
"""

import statistics
import sys
import time
from argparse import ArgumentParser
from collections.abc import Sequence

import torch
from mmengine.device import get_device

from vdfd_seg.cli.arguments import add_config_arguments, settings_of
from vdfd_seg.engine import set_up
from vdfd_seg.engine.networks import build_network
from vdfd_seg.models import adapter_of
from vdfd_seg.models.folding import fold_batch_norms


def main(argv: Sequence[str] | None = None) -> int:
    parse = ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parse)
    parse.add_argument("--batch", type=int, default=2)
    parse.add_argument("--shape", type=int, nargs=2, metavar=("H", "W"), help="of the image")
    parse.add_argument("--rounds", type=int, default=9)
    args = parse.parse_args(argv)
    settings, device = settings_of(args), get_device()
    set_up()
    model = settings.for_step(0).model
    shape = args.shape or model.data_preprocessor.size
    network, _ = build_network(model, settings.protocol.task_sizes(0))
    network.to(device).eval().requires_grad_(False)
    images = torch.randn(args.batch, 3, *shape, device=device)
    folded = fold_batch_norms(network, lambda each: adapter_of(each, "class").logits(images))

    def seconds(each) -> float:
        clock = time.perf_counter if images.is_cuda else time.process_time
        begun = clock()
        adapter_of(each, "class").logits(images)
        if images.is_cuda:
            torch.cuda.synchronize()
        return clock() - begun

    with torch.no_grad():
        rounds = [(seconds(network), seconds(folded)) for _ in range(args.rounds)]
    before, now = map(statistics.median, zip(*rounds, strict=True))
    print("| network | ms | folded | ratio |\n|---|---|---|---|")
    print(f"| {args.config} | {1e3 * before:.1f} | {1e3 * now:.1f} | {now / before:.2f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
