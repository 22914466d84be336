"""The same test images after every step of several runs, as one picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vdfd_seg.datasets.image_limit import open_image
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.runs import RunFiles
from vdfd_seg.utils.files import atomic_write_image
from vdfd_seg.visualization.overlay import colourise
from vdfd_seg.visualization.pages import caption, side_by_side, stacked, with_legend
from vdfd_seg.visualization.samples import palette_of

_HEIGHT = 128
"""Of each picture, in pixels."""
_GAP = np.full((8, 1, 3), 255, np.uint8)
"""Below each row."""


def write_montage(runs: Sequence[RunFiles], path: str | Path, images: int = 2) -> Path:
    """Write a row a run: an example image, its labels, and what the run predicts after each step.

    Args:
        runs: Runs of one protocol, with examples (``examples`` in the config is not 0).
        path: The PNG, which is returned.
        images: How many of the examples, each with rows of its own. Default 2.

    Raises:
        InputError: If the first run has no examples, naming its folder.
    """
    first = runs[0]
    names = sorted(file.stem for file in (first.work_dir / "samples").glob("*.jpg"))[:images]
    if not names:
        raise InputError(f"'{first.work_dir / 'samples'}' holds no example images.")
    palette, steps = palette_of(first), range(len(first.matrix))
    learned = [stacked([caption(f"after step {step}"), caption(f"+ {first.task_names[step]}")])
               for step in steps]  # fmt: skip
    cells = [[caption(""), caption("image"), caption("labels"), *learned]]
    for name in names:
        image = np.array(open_image(first.work_dir / f"samples/{name}.jpg").convert("RGB"))
        truth = np.array(open_image(first.work_dir / f"samples/{name}.png"))
        for run in runs:
            files = (run.step_dir(step) / f"predictions/{name}.png" for step in steps)
            masks = [truth, *(np.array(open_image(file)) for file in files)]
            pictures = [image, *(colourise(mask, palette) for mask in masks)]
            cells.append([caption(run.name), *map(_enlarged, pictures)])
    widths = [max(cell.shape[1] for cell in column) for column in zip(*cells)]
    lines = [
        side_by_side([_padded(cell, width) for cell, width in zip(row, widths)]) for row in cells
    ]
    table = stacked([part for line in lines for part in (line, _GAP)])
    picture = with_legend(table, range(len(first.classes)), first.classes, palette)
    atomic_write_image(Path(path), Image.fromarray(picture))
    return Path(path)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    size = (round(picture.shape[1] * _HEIGHT / picture.shape[0]), _HEIGHT)
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def _padded(picture: np.ndarray, width: int) -> np.ndarray:
    missing = width - picture.shape[1]
    return np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)
