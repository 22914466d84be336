"""DigitScenes: a small segmentation data set made from what scikit-learn ships."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

from vdfd_seg.datasets.written_folder import VocLayout, png_palette, write_folder
from vdfd_seg.errors import InputError
from vdfd_seg.protocols.digit_scenes import CLASSES, PALETTE
from vdfd_seg.registry import FUNCTIONS

VERSION = 1

_LAYOUT = VocLayout("DigitScenes", "SegmentationClass")
_JPEG_QUALITY = 92
_MIN_SIDE = 32


@FUNCTIONS.register_module()
def write_digit_scenes(
    root: str | Path,
    num_train: int = 600,
    num_val: int = 200,
    size: Sequence[int] = (96, 96),
    seed: int = 0,
) -> Path:
    """Write DigitScenes in the folder layout of PASCAL VOC, unless it is there already.

    A scene has one to four of scikit-learn's scanned digits, scaled, rotated and coloured, over a
    crop of one of its two photographs. Training and validation share neither digits nor parts of
    the photographs. Masks are palette PNGs: 0 background, 1 to 10 the digits zero to nine, 255 void
    (a one pixel wide border). The scenes depend on the arguments alone. Some seconds of work.
    Several processes may call at once.

    Args:
        root: The data set's folder: absent, empty, or holding DigitScenes (which is replaced if
            it is incomplete or was written with other arguments).
        num_train, num_val: Numbers of scenes.
        size: Height and width in pixels, 32 at least.
        seed: Not negative; another seed gives other scenes.

    Returns:
        ``root``, holding ``JPEGImages``, ``SegmentationClass``,
        ``ImageSets/Segmentation/{train,val}.txt`` and ``dataset.json``.
    """
    description = _described(num_train, num_val, size, seed)
    counts = {"train": num_train, "val": num_val}

    def finished(folder: Path) -> bool:
        same = _LAYOUT.description(folder) == description
        return same and _LAYOUT.counts(folder, list(counts)) == counts

    def write(folder: Path) -> None:
        # With what it imports itself a fifth of a second, and needed only once.
        from vdfd_seg.datasets.embedded.digit_scenes_render import render_scene

        _LAYOUT.create(folder)
        names = {s: [f"{s}_{number:05d}" for number in range(n)] for s, n in counts.items()}
        palette = png_palette(PALETTE)
        for split, of_split in names.items():
            for number, name in enumerate(of_split):
                scene = render_scene(split, number, tuple(description["size"]), seed)
                image, mask = map(Image.fromarray, scene[:2])
                image.save(folder / _LAYOUT.images / f"{name}.jpg", quality=_JPEG_QUALITY)
                mask.putpalette(palette)
                mask.save(folder / _LAYOUT.masks / f"{name}.png")
        _LAYOUT.finish(folder, names, description)

    write_folder(root, "DigitScenes", finished, _LAYOUT.description, write)
    return Path(root)


def _described(num_train: int, num_val: int, size: Sequence[int], seed: int) -> dict:
    wrong_size = len(size) != 2 or min(size) < _MIN_SIDE
    if min(num_train, num_val) < 1 or wrong_size or seed < 0:
        raise InputError(
            f"DigitScenes: num_train={num_train} and num_val={num_val} must be 1 or more, "
            f"size={tuple(size)} a height and a width of {_MIN_SIDE} pixels or more, and "
            f"seed={seed} not negative."
        )
    return {
        "version": VERSION,
        "num_train": int(num_train),
        "num_val": int(num_val),
        "size": [int(side) for side in size],
        "seed": int(seed),
        "classes": list(CLASSES),
    }
