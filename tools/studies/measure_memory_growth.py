#!/usr/bin/env python
"""Measure whether a long sequence takes more of the machine with every step.

    python tools/studies/measure_memory_growth.py [--method NAME] [--steps 24] [--workers 1]

Writes a data set of one coloured rectangle a class, trains a small segmentation network on one
class a step in this process, and prints after each step what the process holds: private resident
memory, what the C library's allocator has given out, tensors that Python can reach and their
bytes, threads, child processes, open files and log handlers. The last line is the slope of each
over the second half of the steps. Data and work dir go to a temporary folder, or to ``--out``.
"""

import argparse
import colorsys
import ctypes
import gc
import json
import logging
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from PIL import Image
from torch._subclasses.fake_tensor import FakeTensor

from vdfd_seg.cli import run_guarded
from vdfd_seg.engine import load_run
from vdfd_seg.engine.run import sequence
from vdfd_seg.engine.run.environment import release_memory
from vdfd_seg.errors import InputError

SIZE = 48


@dataclass
class Holding:
    """What the process holds after a step; memory in MiB.

    ``left`` is the memory of tensors before it is released, the rest is after. ``allocated`` is
    what the C library's allocator has given out: what ``private`` grows by beyond it lies in free
    pieces between.
    """

    private: float
    allocated: float
    left: float
    tensors: int
    tensor_memory: float
    objects: int
    threads: int
    children: int
    files: int
    handlers: int

    @classmethod
    def now(cls) -> "Holding":
        """Count what a finished step has left, release it as training does, and count again."""
        left = sum(_tensors().values()) / 2**20
        release_memory()
        tensors = _tensors()
        loggers = [logging.getLogger(), *logging.root.manager.loggerDict.values()]
        return cls(
            _private(),
            _allocated(),
            left,
            len(tensors),
            sum(tensors.values()) / 2**20,
            len(gc.get_objects()),
            len(os.listdir("/proc/self/task")),
            sum(
                len(path.read_text().split()) for path in Path("/proc/self/task").glob("*/children")
            ),
            len(os.listdir("/proc/self/fd")),
            sum(len(getattr(logger, "handlers", ())) for logger in loggers),
        )


def _tensors() -> dict[int, int]:
    """Bytes of the storage of each tensor that the garbage collector knows, by address."""
    found = [item for item in gc.get_objects() if issubclass(type(item), torch.Tensor)]
    # A tensor that an export traced with has no memory, nor an address.
    held = [t.untyped_storage() for t in found if not isinstance(t, FakeTensor)]
    return {storage.data_ptr(): storage.nbytes() for storage in held}


def _private() -> float:
    """Resident memory without that of mapped files, which the system takes back as it likes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon:")) / 1024


class _MallInfo2(ctypes.Structure):
    """glibc's ``struct mallinfo2``."""

    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def _allocated() -> float:
    """What the allocator has given out, in its heaps and as mappings; nan where none says so."""
    try:
        mallinfo2 = ctypes.CDLL(None).mallinfo2
    except AttributeError:
        return float("nan")
    mallinfo2.restype = _MallInfo2
    info = mallinfo2()
    return (info.uordblks + info.hblkhd) / 2**20


def write_rectangles(root: Path, classes: int, images: int = 6) -> Path:
    """Write ``images`` training images and two test images a class, in VOC's layout.

    Args:
        root: Folder to make.
        classes: Classes without the background, each a colour.
        images: Training images of a class.
    """
    generator = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClass", "lists"):
        (root / folder).mkdir(parents=True)
    for split, count in (("train", images), ("val", 2)):
        names = []
        for label in range(1, classes + 1):
            for number in range(count):
                image = generator.integers(90, 140, (SIZE, SIZE, 3))
                mask = np.zeros((SIZE, SIZE), np.uint8)
                top, left = generator.integers(0, SIZE // 2, 2)
                part = np.s_[top : top + SIZE // 2, left : left + SIZE // 2]
                image[part] = np.array(colorsys.hsv_to_rgb(label / classes, 0.9, 0.9)) * 255
                mask[part] = label
                names.append(f"{split}_{label:02d}_{number}")
                picture = Image.fromarray(image.astype(np.uint8))
                picture.save(root / "JPEGImages" / f"{names[-1]}.jpg", quality=95)
                Image.fromarray(mask).save(root / "SegmentationClass" / f"{names[-1]}.png")
        (root / "lists" / f"{split}.txt").write_text("".join(f"{name}\n" for name in names))
    return root


def sequence_config(root: Path, classes: int, method: dict, iters: int, workers: int) -> Config:
    """One class a step; a step's network is a ResNet-18 of 8 channels with an ASPP.

    Args:
        root: Of :func:`write_rectangles`.
        classes: Classes without the background.
        method: The config's ``method``.
        iters: Iterations of a step.
        workers: Processes of each data loader.
    """
    norm = dict(type="BN", requires_grad=True)
    load = [dict(type="LoadImageFromFile"), dict(type="LoadAnnotations")]
    flip, pack = dict(type="RandomFlip", prob=0.5), dict(type="PackSegInputs")

    def loader(split, pipeline):
        return dict(
            batch_size=4,
            num_workers=workers,
            dataset=dict(
                type="BaseSegDataset",
                data_root=str(root),
                data_prefix=dict(img_path="JPEGImages", seg_map_path="SegmentationClass"),
                ann_file=f"lists/{split}.txt",
                pipeline=pipeline,
            ),
        )

    names = ["background", *(f"colour_{number:02d}" for number in range(1, classes + 1))]
    tasks = [names[:2], *([name] for name in names[2:])]
    return Config(
        dict(
            default_scope="mmseg",
            model=dict(
                type="EncoderDecoder",
                data_preprocessor=dict(
                    type="SegDataPreProcessor", mean=[120.0] * 3, std=[60.0] * 3,
                    bgr_to_rgb=True, pad_val=0, seg_pad_val=255, size=(SIZE, SIZE),
                ),
                backbone=dict(
                    type="ResNet", depth=18, base_channels=8, stem_channels=8, num_stages=3,
                    strides=(1, 2, 1), dilations=(1, 1, 2), out_indices=(0, 1, 2), norm_cfg=norm,
                ),
                decode_head=dict(
                    type="ASPPHead", in_channels=32, in_index=2, channels=32, dilations=(1, 2),
                    num_classes=1, norm_cfg=norm, align_corners=False,
                    loss_decode=dict(type="vdfd_seg.UnbiasedCrossEntropyLoss"),
                ),
                train_cfg=dict(),
                test_cfg=dict(mode="whole"),
            ),
            protocol=dict(type="Custom", name="colours", classes=names, tasks=tasks),
            method=dict(new_rows="balanced", **method),
            train_dataloader=loader("train", [*load, flip, pack]),
            test_dataloader=loader("val", [*load, pack]),
            train_cfg=dict(max_iters=iters),
            optim_wrapper=dict(type="OptimWrapper", optimizer=dict(type="SGD", lr=0.01)),
            param_scheduler=[dict(type="PolyLR", power=0.9)],
            save_interval=max(iters // 2, 1),
            examples=2,
            default_hooks=dict(logger=dict(type="LoggerHook", interval=5)),
        )
    )  # fmt: skip


def slopes(holdings: Sequence[Holding]) -> dict[str, float]:
    """Least-squares growth per step of each quantity over the second half of the steps."""
    late = holdings[len(holdings) // 2 :]
    steps = np.arange(len(late))
    return {
        field.name: float(np.polyfit(steps, [getattr(h, field.name) for h in late], 1)[0])
        for field in fields(Holding)
    }


def measure(config: Path, work_dir: Path) -> list[Holding]:
    """Run a config and count after every step; prints a line each.

    Args:
        config: The config file.
        work_dir: Where the run is written.
    """
    holdings: list[Holding] = []
    release = sequence.release_memory

    def measured():
        release()
        holdings.append(Holding.now())
        print(f"held after {len(holdings):3d}: {_line(asdict(holdings[-1]))}", flush=True)

    sequence.release_memory = measured
    try:
        sequence.train_sequence(load_run(config), work_dir, resume=True)
        # A run releases between its steps; the last one's are counted here.
        measured()
    finally:
        sequence.release_memory = release
    return holdings


def _line(values):
    return ", ".join(f"{name} {round(value, 3):g}" for name, value in values.items())


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parse = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parse.add_argument("--method", default="VDFD", help="default: %(default)s")
    parse.add_argument("--steps", type=int, default=24, help="default: %(default)s")
    parse.add_argument("--iters", type=int, default=6, help="of a step; default: %(default)s")
    parse.add_argument("--workers", type=int, default=0, help="of a loader; default: %(default)s")
    parse.add_argument("--out", help="folder to keep; default: a temporary one")
    parse.add_argument("--json", help="write the counts here")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Raises:
        InputError: For fewer than four steps, more than the labels of a mask, or a system
            without ``/proc``.
    """
    args = parser().parse_args(argv)
    if not 4 <= args.steps <= 250:
        raise InputError(f"--steps {args.steps} must be from 4 to 250.")
    if not Path("/proc/self/statm").exists():
        raise InputError("measure_memory_growth reads /proc, which only Linux has.")
    with tempfile.TemporaryDirectory() as temporary:
        out = Path(args.out or temporary)
        root = out / "colours"
        if not root.exists():
            write_rectangles(root, args.steps)
        method = {"type": args.method}
        config = out / "config.py"
        sequence_config(root, args.steps, method, args.iters, args.workers).dump(config)
        holdings = measure(config, out / "work")
    growth = slopes(holdings)
    print(f"a step, over the second half: {_line(growth)}")
    if args.json:
        content = {"steps": [asdict(holding) for holding in holdings], "growth": growth}
        Path(args.json).write_text(json.dumps(content, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
