"""The same test images after every step of several runs, as one picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.runs import RunFiles
from vdfd_seg.utils.files import atomic_write_image
from vdfd_seg.visualization.overlay import colourise, legend
from vdfd_seg.visualization.pages import caption, side_by_side, stacked
from vdfd_seg.visualization.samples import open_picture, palette_of


def write_montage(runs: Sequence[RunFiles], path: str | Path, images: int = 2) -> Path:
    """Write a row a run: an example image, its labels, and what the run predicts after each step.

    Args:
        runs: Runs of one protocol, with examples (``examples`` in the config is not 0).
        path: The PNG.
        images: How many of the examples, each with rows of its own. Default 2.

    Returns:
        ``path``.

    Raises:
        InputError: If the first run has no examples, naming its folder.
    """
    first = runs[0]
    names = sorted(file.stem for file in (first.work_dir / "samples").glob("*.jpg"))[:images]
    if not names:
        raise InputError(f"'{first.work_dir / 'samples'}' holds no example images.")
    palette, steps = palette_of(first), range(len(first.matrix))
    height = 128
    head = ["", "image", "labels", *(f"after step {step}" for step in steps)]
    rows = []
    for name in names:
        image = np.array(open_picture(first.work_dir / f"samples/{name}.jpg").convert("RGB"))
        truth = np.array(open_picture(first.work_dir / f"samples/{name}.png"))
        for run in runs:
            masks = [
                np.array(open_picture(run.step_dir(step) / f"predictions/{name}.png"))
                for step in steps
            ]
            pictures = [image, *(colourise(mask, palette) for mask in [truth, *masks])]
            rows.append((run.name, [_enlarged(each, height) for each in pictures]))
    widths = [max(len(caption(name)[0]) for name, _ in rows)]
    widths += [picture.shape[1] for picture in rows[0][1]]
    cells = [[_padded(caption(text), width) for text, width in zip(head, widths, strict=True)]]
    cells += [[_padded(caption(name), widths[0]), *pictures] for name, pictures in rows]
    table = stacked([_spaced(side_by_side(row)) for row in cells])
    picture = stacked([table, legend(first.classes, palette, table.shape[1])])
    atomic_write_image(Path(path), Image.fromarray(picture))
    return Path(path)


def _enlarged(picture: np.ndarray, height: int) -> np.ndarray:
    size = (round(picture.shape[1] * height / picture.shape[0]), height)
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def _padded(picture: np.ndarray, width: int) -> np.ndarray:
    missing = max(0, width - picture.shape[1])
    return np.pad(picture, ((0, 0), (0, missing), (0, 0)), constant_values=255)


def _spaced(picture: np.ndarray) -> np.ndarray:
    return np.pad(picture, ((0, 8), (0, 0), (0, 0)), constant_values=255)
