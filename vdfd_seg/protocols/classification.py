"""Classification protocols: equally many classes at each step."""

from collections.abc import Sequence

from vdfd_seg.errors import InputError
from vdfd_seg.protocols.protocol import Protocol, Task
from vdfd_seg.protocols.splits import groups, ordered, task_name

SCENARIOS = ("task", "class")
RULES = ("validation",)


def classification(
    dataset: str,
    classes: Sequence[str],
    tasks: int,
    scenario: str = "task",
    num_classes: int | None = None,
    order: Sequence[str] | None = None,
    **rules,
) -> Protocol:
    """A data set's classes, divided into tasks of equal size.

    Args:
        dataset: The data set's name.
        classes: All class names in label order.
        tasks: Number of tasks.
        scenario: ``"task"``: an image comes with its task, whose classes alone
            compete; ``"class"``: all classes seen do.
        num_classes: Learn the first so many classes of the order; default all.
        order: The classes in the order they are learned; default the data
            set's own, as in the released VDFD code.
        **rules: ``validation`` and ``name``.

    Raises:
        InputError: For another scenario, an order that is no permutation,
            classes that do not divide into the tasks, or a rule of segmentation.
    """
    name = rules.pop("name", f"{tasks}-split")
    for key in rules:
        if key not in RULES:
            raise InputError(
                f"protocol '{name}': {key} is not for classification; what can be set are tasks, "
                f"scenario, num_classes, order, name, {' and '.join(RULES)}."
            )
    if scenario not in SCENARIOS:
        raise InputError(f"protocol '{name}': scenario={scenario!r} is not one of {SCENARIOS}.")
    learned = ordered(classes, order, name, f"class of {dataset}")
    count = len(learned) if num_classes is None else num_classes
    if type(count) is not int or not 1 <= count <= len(learned):
        raise InputError(
            f"protocol '{name}': num_classes={num_classes!r} must be a number from 1 to "
            f"{len(learned)}, the classes of {dataset}."
        )
    if type(tasks) is not int or tasks < 1 or count % tasks:
        raise InputError(
            f"protocol '{name}': {count} classes of {dataset} do not divide into tasks={tasks!r} "
            f"tasks of equal size."
        )
    parts = groups(learned[:count], count // tasks, count // tasks)
    return Protocol(
        name=name,
        dataset=dataset,
        scenario=scenario,
        classes=tuple(classes),
        tasks=tuple(Task(task_name(part), part) for part in parts),
        background=None,
        setting=None,
        unseen="ignore",
        problem="classification",
        **rules,
    )
