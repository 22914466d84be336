"""Writing what a step says of images and videos into a folder."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path, PurePath

from PIL import Image
from tqdm import tqdm

from vdfd_seg.datasets.image_files import find_images
from vdfd_seg.errors import InputError
from vdfd_seg.inference.classes import ClassPredictor
from vdfd_seg.inference.differences import Differences
from vdfd_seg.inference.masks import Predictor
from vdfd_seg.inference.video import VIDEO_SUFFIXES, VideoReader, VideoWriter
from vdfd_seg.utils.files import atomic_write_image


class InputImages:
    """An image, the images below a folder, or a video's frames.

    Attributes:
        video: The open video; None for images.
        images: The images by their paths below the folder, with ``/``; empty for a video.

    Args:
        path: The file or folder.
        out: Where will be written; what is in this folder is no input.
    """

    def __init__(self, path: str | Path, out: str | Path | None = None):
        path = Path(path)
        video = path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()
        self.video = VideoReader(path) if video else None
        base = path if path.is_dir() else path.parent
        found = [] if self.video else find_images(path, out)
        self.images = {image.relative_to(base).as_posix(): image for image in found}

    @property
    def unit(self) -> str:
        """What is counted."""
        return "frame" if self.video else "image"

    def batches(self, read: Callable, size: int, doing: str) -> Iterator[list]:
        """Lists of up to ``size`` pairs (name, pixels), with a progress bar that says ``doing``.

        ``read`` reads an image's file.

        Raises:
            InputError: For what cannot be read, after a last batch of what came before it.
        """
        total = (self.video.frames or None) if self.video else len(self.images)
        with tqdm(total=total, desc=doing, unit=self.unit) as bar:
            if self.video:
                named = ((f"{number:06d}", frame) for number, frame in enumerate(self.video))
            else:
                named = ((name, read(path)) for name, path in self.images.items())
            failure = None
            while failure is None:
                batch = []
                try:
                    for item in islice(named, size):
                        batch.append(item)
                except InputError as error:
                    # After the batch: what could be read is not lost.
                    failure = error
                if not batch:
                    break
                yield batch
                bar.update(len(batch))
        if failure is not None:
            raise failure


def write_pages(
    source: InputImages,
    predict: Predictor | Differences,
    out: Path,
    size: int,
    alpha: float,
    masks: bool = False,
) -> tuple[int, list[list]]:
    """Write a picture for each image, or a video, and label masks where they are asked for.

    Args:
        source: The images.
        predict: The step, or two of them.
        out: The folder. Images keep the names and folders that they have below the source.
        size: Images a batch.
        alpha: Weight of the colours.
        masks: Write masks: ``NAME_mask.png``, of a video ``NAME_masks/FRAME.png``.

    Returns:
        How many images or frames, and [image, from, to, pixels] for every change between two steps.

    Raises:
        InputError: When an input would be overwritten, or names collide.
    """
    rows: list[list] = []
    pages = _pages(source, predict, size, alpha, rows)
    if source.video is not None:
        return _write_video(source.video, pages, out, masks), rows
    targets = _targets(source, out, masks)
    for name, page, mask in pages:
        picture, labels = targets[name]
        picture.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_image(picture, Image.fromarray(page))
        if masks:
            atomic_write_image(labels, Image.fromarray(mask))
    return len(targets), rows


def _pages(source, predict, size, alpha, rows):
    """Name, picture and labels of each image; what changed is added to ``rows``."""
    # Frames of a video are of one size: their legend has all classes.
    named = range(len(predict.classes)) if source.video is not None else None
    for batch in source.batches(predict.read, size, "segmenting"):
        pages = predict.pages([image for _, image in batch], alpha, named)
        for (name, _), (page, mask, changes) in zip(batch, pages, strict=True):
            rows.extend([name, *change] for change in changes)
            yield name, page, mask


def _write_video(video, pages, out, masks):
    target, folder = out / f"{video.path.stem}.mp4", out / f"{video.path.stem}_masks"
    _refuse_overwriting([video.path], [target])
    if masks:
        folder.mkdir(exist_ok=True)
    count = 0
    with VideoWriter(target, video.rate) as writer:
        for name, page, mask in pages:
            writer.write(page)
            if masks:
                atomic_write_image(folder / f"{name}.png", Image.fromarray(mask))
            count += 1
    return count


def _targets(source, out, masks):
    """Where each image's picture and mask go: its name without the suffix, where that is unique."""
    targets = {}
    stems = {name: PurePath(name).with_suffix("") for name in source.images}
    counts = Counter(stems.values())
    for name, stem in stems.items():
        stem = stem if counts[stem] == 1 else name
        targets[name] = (out / f"{stem}.png", out / f"{stem}_mask.png")
    pictures = {picture for picture, _ in targets.values()}
    for name, (_, labels) in targets.items():
        if masks and labels in pictures:
            raise InputError(
                f"the mask of '{source.images[name]}' and the picture of another image would both "
                f"be '{labels}'; rename one of the images, or leave --masks out."
            )
    written = [place for pair in targets.values() for place in pair[: 1 + masks]]
    _refuse_overwriting(source.images.values(), written)
    return targets


def classified(source: InputImages, predict: ClassPredictor | Differences, size: int) -> list[list]:
    """What a classifier, or two of them, says of every image, by batches of ``size``.

    Returns:
        [image, class, score] of every image, or [image, class A, score A, class B, score B].
    """
    rows = []
    for batch in source.batches(predict.read, size, "classifying"):
        images = [image for _, image in batch]
        if isinstance(predict, Differences):
            found = predict.predictions(images)
        else:
            found = [(each,) for each in predict(images)]
        for (name, _), each in zip(batch, found, strict=True):
            rows.append([name, *(c for one in each for c in (one.name, f"{one.score:.4f}"))])
    return rows


def _refuse_overwriting(images: Iterable[Path], targets: Iterable[Path]) -> None:
    inputs = {path.resolve() for path in images}
    for target in targets:
        if target.resolve() in inputs:
            raise InputError(
                f"--out would overwrite the input '{target}'; choose a folder of its own."
            )
