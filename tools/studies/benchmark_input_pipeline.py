#!/usr/bin/env python
"""Measure how many images a second the classification input pipeline serves.

    python tools/studies/benchmark_input_pipeline.py
    python tools/studies/benchmark_input_pipeline.py --batch 64 --width 16

Batches of CIFAR-sized images, cropped, mirrored and normalised: by this package (gathered from
memory, augmented as a batch on the device) and by an ordinary ``DataLoader`` over a data set that
transforms one image at a time and collates, with no and with two workers. Next to them a training
step of the pre-activation ResNet-18, whose share the pipeline takes. All in one run, on random
pixels; prints a Markdown table. Times are the best of the repeats.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import numpy as np
import torch
import torch.nn.functional as F
from torch.utils.data import BatchSampler, DataLoader, Dataset

from vdfd_seg.datasets.classification.batches import ImageBatches
from vdfd_seg.datasets.sampler import DrawSampler
from vdfd_seg.models import ImageBatchPreprocessor
from vdfd_seg.models.memory_format import lay_out
from vdfd_seg.models.preact_resnet import PreActResNet

MEAN = np.array([0.507, 0.487, 0.441], dtype=np.float32)
STD = np.array([0.267, 0.256, 0.276], dtype=np.float32)


class OneByOne(Dataset):
    """The same augmentation, an image at a time with NumPy."""

    def __init__(self, images: np.ndarray) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        padded = np.pad(self.images[index], ((4, 4), (4, 4), (0, 0)))
        row, column = np.random.randint(0, 9, 2)
        image = padded[row : row + 32, column : column + 32]
        if np.random.rand() < 0.5:
            image = image[:, ::-1]
        image = (image.astype(np.float32) / 255 - MEAN) / STD
        return torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))), index % 10


def rate(batches: Callable[[], Iterator], count: int, batch: int, repeats: int) -> float:
    """Images a second, best of the repeats; the first batch is not timed."""
    best = 0.0
    for _ in range(repeats):
        stream = batches()
        next(stream)
        start = time.perf_counter()
        for _ in islice(stream, count):
            pass
        best = max(best, count * batch / (time.perf_counter() - start))
    return best


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--batches", type=int, default=100, help="timed, of the pipelines")
    parser.add_argument("--width", type=int, default=64, help="of ResNet-18's first stage")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, help="CPU threads; default PyTorch's")
    parser.add_argument("--repeats", type=int, default=3)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)
    if args.threads:
        torch.set_num_threads(args.threads)
    torch.manual_seed(0)
    device = torch.device(args.device)
    pixels = np.random.default_rng(0).integers(0, 256, (args.images, 32, 32, 3), dtype=np.uint8)
    labels = np.arange(args.images) % 10
    served = ImageBatches(
        torch.from_numpy(pixels).to(device), range(args.images), labels, np.zeros_like(labels)
    )
    preprocess = ImageBatchPreprocessor(MEAN.tolist(), STD.tolist()).to(device)

    def synchronised(batch: dict) -> dict:
        if device.type == "cuda":
            torch.cuda.synchronize()
        return batch

    def ours() -> Iterator:
        sampler = BatchSampler(DrawSampler(served, 0), args.batch, drop_last=False)
        loader = DataLoader(served, sampler=sampler, batch_size=None, collate_fn=lambda b: b)
        return (synchronised(preprocess(batch, training=True)) for batch in loader)

    def ordinary(workers: int) -> Callable[[], Iterator]:
        def batches() -> Iterator:
            loader = DataLoader(
                OneByOne(pixels), args.batch, shuffle=True, num_workers=workers, drop_last=True
            )
            while True:
                for images, _ in loader:
                    yield synchronised(images.to(device))

        return batches

    network = lay_out(PreActResNet(widths=[args.width * 2**i for i in range(4)])).to(device)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.0)
    batch = preprocess(served[list(range(args.batch))])

    def steps() -> Iterator:
        while True:
            optimizer.zero_grad()
            loss = F.cross_entropy(network(batch["inputs"]), batch["data_samples"].labels)
            loss.backward()
            optimizer.step()
            yield synchronised(batch)

    step = args.batch / rate(steps, 10, args.batch, args.repeats)
    print(f"batches of {args.batch}, {device}, {torch.get_num_threads()} threads; a training step")
    print(f"of ResNet-18 of width {args.width} takes {1e3 * step:.1f} ms\n")
    print("| | images a second | ms a batch | share of the step |\n|---|---|---|---|")
    for name, stream in (
        ("from memory, a batch at a time", ours),
        ("DataLoader, an image at a time", ordinary(0)),
        ("the same, two workers", ordinary(2)),
    ):
        images = rate(stream, args.batches, args.batch, args.repeats)
        seconds = args.batch / images
        print(f"| {name} | {images:,.0f} | {1e3 * seconds:.2f} | {100 * seconds / step:.1f} % |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
