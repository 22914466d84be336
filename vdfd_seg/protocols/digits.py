"""The scanned digits that scikit-learn ships, task- and class-incremental."""

from vdfd_seg.protocols.builders import classification
from vdfd_seg.protocols.protocol import Protocol

CLASSES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def digits(
    tasks: int = 5, scenario: str = "task", num_classes: int | None = None, **rules
) -> Protocol:
    """Ten digits, by default two a task.

    Args:
        tasks: Number of tasks; must divide the number of classes.
        scenario: ``"task"`` or ``"class"``.
        num_classes: Learn the first so many classes of the order; default all.
        **rules: ``order``, ``validation``, ``name``.
    """
    return classification("Digits", CLASSES, tasks, scenario, num_classes, **rules)
