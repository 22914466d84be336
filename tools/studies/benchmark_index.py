#!/usr/bin/env python3
"""Measure how long the class index of a data set takes, at the first start and at the second.

    python tools/studies/benchmark_index.py
    python tools/studies/benchmark_index.py --masks 3475 --size 1024 2048

Writes a data set in VOC's layout into a temporary folder: JPEG images, and palette PNGs with a few
round objects of VOC's classes behind borders of void. A few hundred different ones are copied to as
many files as asked for, since reading a file does not depend on whether another is like it. Then
opens it as a run does, with an empty cache and again, and prints a Markdown table. The files have
just been written, so the operating system holds them in memory: a first start from a slow disk
takes as long as reading the masks from it.
"""

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, grey_dilation, grey_erosion

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded

VOID = 255


def scene(generator: np.random.Generator, size: tuple[int, int], classes: int) -> tuple:
    """An image of smooth noise and its mask: one to four objects, five pixels of void between."""
    height, width = size
    mask = np.zeros(size, np.uint8)
    for _ in range(generator.integers(1, 5)):
        row, column = generator.uniform(0, height), generator.uniform(0, width)
        radii = generator.uniform(0.08, 0.35, 2) * (height, width)
        noise = gaussian_filter(generator.standard_normal(size), min(size) / 25)
        y, x = np.ogrid[:height, :width]
        distance = ((y - row) / radii[0]) ** 2 + ((x - column) / radii[1]) ** 2
        mask[distance + 0.4 * noise / noise.std() < 1] = generator.integers(1, classes)
    edge = grey_dilation(mask, size=(5, 5)) != grey_erosion(mask, size=(5, 5))
    mask[edge] = VOID
    noise = gaussian_filter(generator.standard_normal((*size, 3)), (3, 3, 0))
    noise += generator.standard_normal((*size, 3)) / 40
    image = np.clip(128 + 50 * noise / noise.std(), 0, 255).astype(np.uint8)
    return image, mask


def write_data_set(root: Path, count: int, distinct: int, size: tuple[int, int]) -> None:
    """``count`` images and masks, ``distinct`` of them different."""
    from vdfd_seg.protocols.voc import CLASSES, PALETTE

    for folder in ("JPEGImages", "SegmentationClass"):
        (root / folder).mkdir(parents=True)
    palette = [channel for colour in PALETTE for channel in colour]
    names = [f"{2007 + number % 6}_{number:06d}" for number in range(count)]
    for number, name in enumerate(names):
        paths = root / f"JPEGImages/{name}.jpg", root / f"SegmentationClass/{name}.png"
        if number >= distinct:
            like = names[number % distinct]
            shutil.copyfile(root / f"JPEGImages/{like}.jpg", paths[0])
            shutil.copyfile(root / f"SegmentationClass/{like}.png", paths[1])
            continue
        image, mask = scene(np.random.default_rng(number), size, len(CLASSES))
        Image.fromarray(image).save(paths[0], quality=90)
        mask = Image.fromarray(mask)
        mask.putpalette(palette)
        mask.save(paths[1])
    (root / "list.txt").write_text("".join(f"{name}\n" for name in names))


def bytes_of(folder: Path) -> float:
    """Megabytes of the files in a folder."""
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


@contextmanager
def cached_in(folder: Path) -> Iterator[None]:
    """The class index is cached in this folder, not the user's."""
    before = os.environ.get("VDFD_SEG_CACHE")
    os.environ["VDFD_SEG_CACHE"] = str(folder)
    try:
        yield
    finally:
        del os.environ["VDFD_SEG_CACHE"]
        if before is not None:
            os.environ["VDFD_SEG_CACHE"] = before


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--masks", type=int, default=12000, help="default: %(default)s")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(375, 500),
        metavar=("HEIGHT", "WIDTH"),
        help="default: 375 500",
    )
    parser.add_argument("--distinct", type=int, default=300, help="different ones; default: 300")
    parser.add_argument("--starts", type=int, default=4, help="the first included; default: 4")
    parser.add_argument("--folder", help="where to write and remove it; default: the system's")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    args = build_parser().parse_args(argv)

    from vdfd_seg.utils.installation import quiet_imports

    with quiet_imports():
        from vdfd_seg.datasets import open_source
        from vdfd_seg.engine import set_up
        from vdfd_seg.protocols import build_protocol

        set_up()
    protocol = build_protocol({"type": "VOC", "split": "10-5"})
    with (
        tempfile.TemporaryDirectory(prefix="benchmark_index_", dir=args.folder) as folder,
        cached_in(Path(folder) / "cache"),
    ):
        root = Path(folder) / "data"
        write_data_set(root, args.masks, min(args.distinct, args.masks), tuple(args.size))
        cfg = {
            "type": "BaseSegDataset",
            "data_root": str(root),
            "data_prefix": {"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"},
            "ann_file": "list.txt",
        }
        height, width = args.size
        print(
            f"{args.masks} masks of {width} x {height} ({bytes_of(root / 'SegmentationClass'):.0f} "
            f"MB) with their images ({bytes_of(root / 'JPEGImages'):.0f} MB)\n"
        )
        print("| start | seconds | processor seconds |\n|---|---|---|")
        digests = set()
        for start in range(args.starts):
            wall, processor = time.perf_counter(), time.process_time()
            digests.add(open_source(cfg, protocol).digest)
            wall, processor = time.perf_counter() - wall, time.process_time() - processor
            print(f"| {start + 1} | {wall:.2f} | {processor:.2f} |", flush=True)
        assert len(digests) == 1
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
