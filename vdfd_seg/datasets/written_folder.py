"""Data sets that are written here: as a whole, once, and in one layout."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from filelock import FileLock

from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX
from vdfd_seg.utils.files import replace_folder

_VOID_COLOUR = (224, 224, 192)


def write_folder(
    root: str | Path,
    name: str,
    finished: Callable[[Path], object],
    own: Callable[[Path], object],
    write: Callable[[Path], object],
) -> None:
    """Write a data set's folder, unless it is there already.

    An interrupted write leaves the folder as it was. Several processes may call at once: an
    empty lock file ``.NAME.lock`` stays next to the folder.

    Args:
        root: The folder: absent, empty, or the data set's own.
        name: The data set's name, for messages.
        finished: Whether a folder is the whole data set.
        own: Whether a folder is of this data set, and may be replaced.
        write: Gets the path of the new folder, which does not exist yet.
    """
    root = Path(root)
    target = root.resolve()
    if finished(target):
        return
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.parent / f".{target.name}.lock"):
            if finished(target):
                return
            empty = not target.exists() or (target.is_dir() and not any(target.iterdir()))
            if not empty and not own(target):
                raise InputError(
                    f"{root}: there is something here that is not {name}; name a folder that does "
                    f"not exist yet or is empty."
                )
            replace_folder(target, write)
    except OSError as error:
        raise InputError(
            f"{root}: {name} cannot be written here ({error}); name another folder."
        ) from error


class VocLayout:
    """The layout of PASCAL VOC: folders of images and masks, lists, and ``dataset.json``.

    Args:
        dataset: The data set's name.
        masks: Name of the folder of masks.
    """

    def __init__(self, dataset: str, masks: str):
        self.dataset = dataset
        self.images = Path("JPEGImages")
        self.masks = Path(masks)
        self.lists = Path("ImageSets/Segmentation")

    def create(self, root: Path) -> None:
        """Make the folders."""
        for folder in (self.images, self.masks, self.lists):
            (root / folder).mkdir(parents=True)

    def finish(self, root: Path, names: Mapping[str, Sequence[str]], description: dict) -> None:
        """Write the list of each split's names, and the description."""
        for split, listed in names.items():
            text = "".join(f"{name}\n" for name in listed)
            (root / self.lists / f"{split}.txt").write_text(text, encoding="utf-8")
        text = json.dumps({"dataset": self.dataset, **description}, indent=2) + "\n"
        (root / "dataset.json").write_text(text, encoding="utf-8")

    def description(self, root: Path) -> dict | None:
        """The description that :meth:`finish` wrote; None where there is none of this data set."""
        return read_description(root, self.dataset)

    def counts(self, root: Path, splits: Sequence[str]) -> dict[str, int] | None:
        """Number of images in each list; None where a list, an image or a mask is missing."""
        images = {path.stem for path in (root / self.images).glob("*.jpg")}
        masks = {path.stem for path in (root / self.masks).glob("*.png")}
        counts = {}
        for split in splits:
            path = root / self.lists / f"{split}.txt"
            names = path.read_text().split() if path.is_file() else []
            if not names or not set(names) <= images & masks:
                return None
            counts[split] = len(names)
        return counts


def read_description(root: Path, dataset: str) -> dict | None:
    """What ``dataset.json`` tells of a data set's folder; None where it is not of this data set."""
    try:
        found = json.loads((root / "dataset.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    own = isinstance(found, dict) and found.pop("dataset", None) == dataset
    return found if own else None


def png_palette(colours: Sequence[Sequence[int]]) -> list[int]:
    """A PNG's palette: a colour an id, and VOC's for pixels without a label."""
    whole = [*colours, *[(0, 0, 0)] * (IGNORE_INDEX - len(colours)), _VOID_COLOUR]
    return [channel for colour in whole for channel in colour]
