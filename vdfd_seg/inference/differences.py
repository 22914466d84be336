"""What two steps say differently of the same images."""

from collections.abc import Iterator, Sequence

import numpy as np

from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import confusion_matrix
from vdfd_seg.inference.classes import ClassPredictor
from vdfd_seg.inference.masks import Predictor
from vdfd_seg.visualization.overlay import as_rgb, comparison, with_legend

_MOST_ROWS = 20


def common_classes(
    old: Sequence[str], new: Sequence[str]
) -> tuple[list[str], np.ndarray, np.ndarray]:
    """One numbering of the classes that two networks know, whatever their order in each.

    Args:
        old, new: Class names of the two in label order.

    Returns:
        All names, the second network's first, and for either network the number of each label.
    """
    names = [*new, *(name for name in old if name not in new)]
    place = {name: number for number, name in enumerate(names)}
    of_old, of_new = (np.array([place[name] for name in part]) for part in (old, new))
    return names, of_old, of_new


def changes_of(counts: np.ndarray, classes: Sequence[str]) -> list[tuple[str, str, int]]:
    """The changes in counts whose rows are old classes: (from, to, count), the most first."""
    rows = [(classes[i], classes[j], int(counts[i, j])) for i, j in np.argwhere(counts) if i != j]
    return sorted(rows, key=lambda row: (-row[2], row[:2]))


def format_changes(counts: np.ndarray, classes: Sequence[str], unit: str) -> str:
    """A table of what changed: old class, new class, count and share of the old class's.

    Args:
        counts: ``(C, C)``, rows are old classes; what stayed is on the diagonal.
        classes: Names in its order.
        unit: What is counted: ``"pixels"``.
    """
    rows, total = changes_of(counts, classes), int(counts.sum())
    changed = sum(count for *_, count in rows)
    lines = [f"{changed} of {total} {unit} changed ({100 * changed / max(total, 1):.2f} %)"]
    if not rows:
        return lines[0]
    before = dict(zip(classes, counts.sum(1).tolist(), strict=True))
    table = [("from", "to", unit, "of the class")]
    for old, new, count in rows[:_MOST_ROWS]:
        table.append((old, new, str(count), f"{100 * count / before[old]:.1f} %"))
    widths = [max(len(row[k]) for row in table) for k in range(4)]
    for row in table:
        cells = [row[k].ljust(widths[k]) if k < 2 else row[k].rjust(widths[k]) for k in range(4)]
        lines.append("  ".join(cells).rstrip())
    if len(rows) > _MOST_ROWS:
        lines.append(f"... and {len(rows) - _MOST_ROWS} more")
    return "\n".join(lines)


class Differences:
    """Segments or classifies with two steps and counts what changes.

    Attributes:
        classes: Names of the classes that either step knows.
        read: Reads an image's file as the second step does.
        palette: Their colours, for segmentation; a class of both has the second step's.
        background: Place of the second step's background among them; None where there is none.
        counts: ``(C, C)`` int64: how many pixels (classification: images) that the first step
            gave class i the second gives class j, over all images so far.

    Args:
        old, new: Predictors of the two steps.
    """

    def __init__(self, old: Predictor | ClassPredictor, new: Predictor | ClassPredictor):
        if old.problem != new.problem:
            raise InputError(
                f"one of the checkpoints to compare is for {old.problem}, the other for "
                f"{new.problem}."
            )
        self.old, self.new, self.read = old, new, new.read
        self.classes, self._of_old, self._of_new = common_classes(old.classes, new.classes)
        if isinstance(old, Predictor) and isinstance(new, Predictor):
            self.background = new.background
            more = zip(old.classes, old.palette, strict=True)
            self.palette = [*new.palette, *(c for name, c in more if name not in new.classes)]
        self.counts = np.zeros((len(self.classes), len(self.classes)), dtype=np.int64)

    def masks(self, images: list) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Each image's labels of either step, in the order of ``classes``, and their counts."""
        assert isinstance(self.old, Predictor) and isinstance(self.new, Predictor)
        pairs = zip(self.old(images), self.new(images), strict=True)
        renumbered = ((self._of_old[old], self._of_new[new]) for old, new in pairs)
        return [(old, new, self._count(old, new)) for old, new in renumbered]

    def predictions(self, images: list) -> list[tuple]:
        """Each image's :class:`ClassPrediction` of either step."""
        assert isinstance(self.old, ClassPredictor) and isinstance(self.new, ClassPredictor)
        found = list(zip(self.old(images), self.new(images), strict=True))
        old = self._of_old[[before.label for before, _ in found]]
        new = self._of_new[[after.label for _, after in found]]
        self._count(old, new)
        return found

    def _count(self, old: np.ndarray, new: np.ndarray) -> np.ndarray:
        # 255 is a class like others here.
        counts = confusion_matrix(new, old, len(self.classes), ignore_index=-1)
        self.counts += counts
        return counts

    def pages(self, images: list, alpha: float, named: Sequence[int] | None) -> Iterator[tuple]:
        """As :meth:`Predictor.pages`: (page, None, what :func:`changes_of` gives) of each image."""
        for image, (old, new, counts) in zip(images, self.masks(images), strict=True):
            yield self.page(image, old, new, named, alpha), None, changes_of(counts, self.classes)

    def page(
        self,
        image: np.ndarray,
        old: np.ndarray,
        new: np.ndarray,
        named: Sequence[int] | None = None,
        alpha: float = 0.5,
    ) -> np.ndarray:
        """Step A, step B and the changed pixels in B's colours, above a legend.

        Args:
            image: ``(H, W, 3)``.
            old, new: ``(H, W)`` labels of A and B in the order of ``classes``.
            named: Which classes the legend has; default those present in either.
            alpha: Weight of the overlays' colours. Default 0.5.

        Returns:
            ``(height, width, 3)`` uint8 RGB.
        """
        if named is None:
            named = np.union1d(old, new).tolist()
        masks = {f"A: step {self.old.step}": old, f"B: step {self.new.step}": new}
        page = comparison(as_rgb(image), masks, self.palette, alpha, self.background, "changed, to")
        return with_legend(page, named, self.classes, self.palette)
