"""The scanned digits that scikit-learn ships, task- and class-incremental."""

from vdfd_seg.protocols.builders import classification
from vdfd_seg.protocols.protocol import Protocol

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits(tasks: int = 5, num_classes: int | None = None, **rules) -> Protocol:
    """Ten digits, by default two a task.

    Args:
        tasks, num_classes: As in :func:`~vdfd_seg.protocols.builders.classification`.
        **rules: ``scenario``, ``order``, ``validation``, ``name``.
    """
    return classification("Digits", CLASSES, tasks, num_classes=num_classes, **rules)
