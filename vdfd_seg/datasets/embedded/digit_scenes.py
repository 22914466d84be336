"""DigitScenes: a small segmentation data set made from what scikit-learn ships."""

import json
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock
from PIL import Image

from vdfd_seg.datasets.embedded.digit_scenes_render import SPLITS, VOID, render_scene
from vdfd_seg.errors import InputError
from vdfd_seg.protocols.digit_scenes import CLASSES, PALETTE
from vdfd_seg.registry import FUNCTIONS
from vdfd_seg.utils.files import replace_folder

VERSION = 1

_DATASET = "DigitScenes"
_IMAGES, _MASKS, _LISTS = "JPEGImages", "SegmentationClass", "ImageSets/Segmentation"
_DESCRIPTION = "dataset.json"
_JPEG_QUALITY = 92
_MIN_SIDE = 32
_VOID_COLOUR = [224, 224, 192]


@FUNCTIONS.register_module()
def write_digit_scenes(
    root: str | Path,
    num_train: int = 600,
    num_val: int = 200,
    size: Sequence[int] = (96, 96),
    seed: int = 0,
) -> Path:
    """Write DigitScenes in the folder layout of PASCAL VOC, unless it is there already.

    A scene has one to four of scikit-learn's scanned digits, scaled, rotated and
    coloured, over a crop of one of its two photographs. Training and validation share
    neither digits nor parts of the photographs. Masks are palette PNGs: 0 background,
    1 to 10 the digits zero to nine, 255 void (a one pixel wide border). The scenes
    depend on the arguments alone. Some seconds of work. Several processes may call at once:
    an empty lock file ``.NAME.lock`` stays beside the folder.

    Args:
        root: The data set's folder: absent, empty, or holding DigitScenes (which is
            replaced if it is incomplete or was written with other arguments).
        num_train: Number of training scenes.
        num_val: Number of validation scenes.
        size: Height and width in pixels, 32 at least.
        seed: Not negative; another seed gives other scenes.

    Returns:
        ``root``, holding ``JPEGImages``, ``SegmentationClass``,
        ``ImageSets/Segmentation/{train,val}.txt`` and ``dataset.json``.

    Raises:
        InputError: An argument out of range, or a ``root`` with other content.
    """
    root = Path(root)
    description = _described(num_train, num_val, size, seed)
    if _is_finished(root, description):
        return root
    target = root.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{target.name}.lock"):
            if not _is_finished(target, description):
                _refuse_foreign(target)
                replace_folder(target, lambda folder: _write(folder, description))
    except OSError as error:
        raise InputError(
            f"{root}: DigitScenes cannot be written here ({error}); name another folder."
        ) from error
    return root


def _described(num_train: int, num_val: int, size: Sequence[int], seed: int) -> dict:
    if num_train < 1 or num_val < 1:
        raise InputError(
            f"DigitScenes needs a scene or more per split, not num_train={num_train} and "
            f"num_val={num_val}."
        )
    if len(size) != 2 or min(size) < _MIN_SIDE:
        raise InputError(
            f"size must be a height and a width of {_MIN_SIDE} pixels or more, not {tuple(size)}."
        )
    if seed < 0:
        raise InputError(f"seed must not be negative, not {seed}.")
    return {
        "dataset": _DATASET,
        "version": VERSION,
        "num_train": int(num_train),
        "num_val": int(num_val),
        "size": [int(side) for side in size],
        "seed": int(seed),
        "classes": list(CLASSES),
    }


def _scene_names(description: dict, split: str) -> list[str]:
    return [f"{split}_{number:05d}" for number in range(description[f"num_{split}"])]


def _read_description(root: Path) -> dict | None:
    try:
        description = json.loads((root / _DESCRIPTION).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return description if isinstance(description, dict) else None


def _is_finished(root: Path, description: dict) -> bool:
    if _read_description(root) != description:
        return False
    names = {name for split in SPLITS for name in _scene_names(description, split)}
    lists = all((root / _LISTS / f"{split}.txt").is_file() for split in SPLITS)
    images = {path.stem for path in (root / _IMAGES).glob("*.jpg")}
    masks = {path.stem for path in (root / _MASKS).glob("*.png")}
    return lists and names <= images and names <= masks


def _refuse_foreign(root: Path) -> None:
    if not root.exists():
        return
    ours = (_read_description(root) or {}).get("dataset") == _DATASET
    if not root.is_dir() or (not ours and any(root.iterdir())):
        raise InputError(
            f"{root}: there is something here that is not {_DATASET}; name a folder that does "
            "not exist yet or is empty."
        )


def _write(root: Path, description: dict) -> None:
    for folder in (_IMAGES, _MASKS, _LISTS):
        (root / folder).mkdir(parents=True)
    palette = _png_palette()
    for split in SPLITS:
        names = _scene_names(description, split)
        for number, name in enumerate(names):
            scene = render_scene(split, number, tuple(description["size"]), description["seed"])
            Image.fromarray(scene.image).save(root / _IMAGES / f"{name}.jpg", quality=_JPEG_QUALITY)
            mask = Image.fromarray(scene.mask)
            mask.putpalette(palette)
            mask.save(root / _MASKS / f"{name}.png")
        listing = "".join(f"{name}\n" for name in names)
        (root / _LISTS / f"{split}.txt").write_text(listing, encoding="utf-8")
    text = json.dumps(description, indent=2) + "\n"
    (root / _DESCRIPTION).write_text(text, encoding="utf-8")


def _png_palette() -> list[int]:
    colours = [*PALETTE, *[(0, 0, 0)] * (VOID - len(PALETTE)), _VOID_COLOUR]
    return [channel for colour in colours for channel in colour]
