"""The same test images, segmented after every step: inside a page, and as one picture."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from vdfd_seg.datasets.image_files import open_image
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation.runs import RunFiles
from vdfd_seg.protocols.voc import default_palette
from vdfd_seg.utils.files import atomic_write_image
from vdfd_seg.visualization.overlay import (
    VOID_COLOUR,
    caption,
    colourise,
    grid,
    stacked,
    with_legend,
)

_SIZE = (400, 400)
"""The most that an embedded picture has, in pixels."""
_MOST = 8
_HEIGHT = 128
"""Of each picture in a montage, in pixels."""


class Example(NamedTuple):
    """One test image and what every run made of it; pictures are data URIs, None if missing.

    Attributes:
        name: Stem of the image's file.
        image, truth: The input, and the coloured ground truth.
        predictions: For each run its name and the coloured prediction after each step.
    """

    name: str
    image: str | None
    truth: str | None
    predictions: list[tuple[str, list[str | None]]]


def collect_examples(runs: Sequence[RunFiles]) -> list[Example]:
    """Gather ``samples/NAME.jpg``, ``samples/NAME.png`` and ``step_KK/predictions/NAME.png``.

    The images are those in the ``samples`` folder of any run; where no run has one, those of the
    predictions; the first eight by name. Inputs and truths are from the first run that has them.

    Args:
        runs: The runs; class indices in the order of each run's classes, 255 is void.

    Returns:
        One entry per image; empty where nothing was saved.
    """
    names = {path.stem for run in runs for path in (run.work_dir / "samples").glob("*.jpg")}
    if not names:
        names = {
            path.stem for run in runs for path in run.work_dir.glob("step_[0-9]*/predictions/*.png")
        }
    steps = range(max(len(run.matrix) for run in runs))
    samples = []
    for name in sorted(names)[:_MOST]:
        images = (_image_uri(run.work_dir / f"samples/{name}.jpg") for run in runs)
        truths = (_mask_uri(run.work_dir / f"samples/{name}.png", run) for run in runs)
        predictions = [
            (run.name, [_mask_uri(run.step_dir(k) / f"predictions/{name}.png", run) for k in steps])
            for run in runs
        ]
        image, truth = (next(filter(None, found), None) for found in (images, truths))
        samples.append(Example(name, image, truth, predictions))
    return samples


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
    palette, steps = run_palette(first), range(len(first.matrix))
    learned = [stacked([caption(f"after step {step}"), caption(f"+ {first.task_names[step]}")])
               for step in steps]  # fmt: skip
    rows = [[caption(""), caption("image"), caption("labels"), *learned]]
    for name in names:
        image = np.array(open_image(first.work_dir / f"samples/{name}.jpg").convert("RGB"))
        for run in runs:
            files = [first.work_dir / f"samples/{name}.png"]
            files += [run.step_dir(step) / f"predictions/{name}.png" for step in steps]
            masks = [colourise(np.array(open_image(file)), palette) for file in files]
            rows.append([caption(run.name), *map(_enlarged, (image, *masks))])
    picture = with_legend(grid(rows), range(len(first.classes)), first.classes, palette)
    atomic_write_image(Path(path), Image.fromarray(picture))
    return Path(path)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    size = (round(picture.shape[1] * _HEIGHT / picture.shape[0]), _HEIGHT)
    return np.array(Image.fromarray(picture).resize(size, Image.Resampling.NEAREST))


def run_palette(run: RunFiles) -> list[list[int]]:
    """RGB of each class; VOC's colour map where the protocol has none that fits."""
    given = run.results["protocol"].get("palette") or []
    return given if len(given) >= len(run.classes) else default_palette(len(run.classes))


def _image_uri(path: Path) -> str | None:
    if not path.exists():
        return None
    picture = open_image(path).convert("RGB")
    picture.thumbnail(_SIZE)
    return _uri(picture, "JPEG", quality=82)


def _mask_uri(path: Path, run: RunFiles) -> str | None:
    if not path.exists():
        return None
    mask = np.array(open_image(path))
    if mask.ndim != 2 or mask.dtype != np.uint8:
        raise InputError(f"{path}: not a mask of class indices (an 8-bit PNG with one channel)")
    # Indices stay indices: a palette image is a tenth of the size of an RGB one, and shrinking
    # it by nearest neighbour invents no classes.
    colours = np.tile(np.array(VOID_COLOUR, dtype=np.uint8), (256, 1))
    palette = run_palette(run)
    colours[: len(palette)] = palette
    picture = Image.fromarray(mask)
    picture.putpalette(colours.tobytes())
    picture.thumbnail(_SIZE, Image.Resampling.NEAREST)
    return _uri(picture, "PNG", optimize=True)


def _uri(picture: Image.Image, kind: str, **options: object) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f"data:image/{kind.lower()};base64,{data}"
