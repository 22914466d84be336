"""Protocols whose tasks follow from a rule: ``X-Y`` classes or domains, or as many classes each.

Arguments that the builders share: ``dataset``, the data set's name; ``classes``, all class names in
the order of the masks or labels; ``palette``, one RGB colour a class; ``order``, the classes
(without the background) or domains in the order they are learned, by default the data set's own;
``**rules``, further fields of :class:`Protocol`.
"""

from collections.abc import Sequence

from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.protocols.protocol import Protocol, Task


def class_incremental(
    dataset: str,
    classes: Sequence[str],
    split: str,
    palette: Sequence = (),
    order: Sequence[str] | None = None,
    **rules,
) -> Protocol:
    """A class-incremental protocol of segmentation, named by its split of the foreground classes.

    The background, ``classes[0]``, joins the first task.

    Args:
        split: ``"X-Y"``: X classes in the first task, Y in each later one; or ``"offline"``.
    """
    background, *foreground = classes
    parts = _parts(foreground, split, order, f"foreground class of {dataset}")
    tasks = [Task(task_name(part), part) for part in parts]
    tasks[0] = Task(tasks[0].name, (background, *parts[0]))
    return Protocol(
        name=split,
        dataset=dataset,
        scenario="class",
        classes=tuple(classes),
        tasks=tuple(tasks),
        background=background,
        palette=tuple(palette),
        **rules,
    )


def domain_incremental(
    dataset: str,
    classes: Sequence[str],
    domains: Sequence[str],
    kind: str,
    split: str,
    splits: Sequence[str],
    palette: Sequence = (),
    void: Sequence[str] = (),
    order: Sequence[str] | None = None,
    **rules,
) -> Protocol:
    """A domain-incremental protocol: the same classes, new domains at each step.

    Args:
        domains: The names of the domains.
        kind: What a domain is, for messages: ``"city"``.
        split: One of ``splits``.
        splits: ``"X-Y"``: X domains in the first task, Y in each later one; or ``"offline"``.
        void: Names of the ids that follow in the masks and are never learned nor tested; the
            palette has theirs.
        **rules: ``domain_split`` is ``"clean"`` by default.
    """
    if split not in splits:
        raise unknown_name(f"{dataset} split", split, splits)
    parts = _parts(domains, split, order, f"{kind} of {dataset}")
    tasks = [Task(task_name(part), (), part) for part in parts]
    tasks[0] = Task(tasks[0].name, tuple(classes), parts[0])
    return Protocol(
        name=split,
        dataset=dataset,
        scenario="domain",
        classes=(*classes, *void),
        tasks=tuple(tasks),
        background=None,
        setting=None,
        palette=tuple(palette),
        **{"unseen": "ignore", "domain_split": "clean", **rules},
    )


def classification(
    dataset: str,
    classes: Sequence[str],
    tasks: int,
    scenario: str = "task",
    num_classes: int | None = None,
    order: Sequence[str] | None = None,
    **rules,
) -> Protocol:
    """A protocol of classification: a data set's classes, divided into tasks of equal size.

    Args:
        tasks: Number of tasks; must divide the number of classes.
        scenario: ``"task"``: an image comes with its task, whose classes alone
            compete; ``"class"``: all classes seen do.
        num_classes: Learn the first so many classes of the order; default all.
        **rules: ``validation`` and ``name``.

    Raises:
        InputError: For an order that is no permutation, classes that do not divide into the
            tasks, or a rule of segmentation.
    """
    name = rules.pop("name", f"{tasks}-split")
    for key in rules:
        if key != "validation":
            raise InputError(
                f"protocol '{name}': {key} is not for classification; what can be set are tasks, "
                f"scenario, num_classes, order, name and validation."
            )
    learned = _ordered(classes, order, name, f"class of {dataset}")
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


def groups(items: Sequence[str], first: int, each: int) -> list[tuple[str, ...]]:
    """``first`` items for the first task, then ``each`` for every later one."""
    rest = len(items) - first
    if first < 1 or rest < 0 or (rest and (each < 1 or rest % each)):
        raise InputError(
            f"cannot split {len(items)} classes or domains as {first}-{each}: after the first "
            f"{first}, {max(rest, 0)} remain, which is not a multiple of {each}."
        )
    starts = range(first, len(items), each) if rest else ()
    return [tuple(items[:first])] + [tuple(items[s : s + each]) for s in starts]


def parse_split(split: str, count: int) -> tuple[int, int]:
    """Numbers of ``"X-Y"``; ``"offline"`` is one task of all ``count`` items."""
    if split == "offline":
        return count, 1
    parts = str(split).split("-")
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise InputError(f"split '{split}' is not of the form X-Y (for instance 10-5) or offline.")
    return int(parts[0]), int(parts[1])


def task_name(names: Sequence[str]) -> str:
    """A short name for a task of these classes or domains."""
    return "+".join(map(str, names)) if len(names) <= 3 else f"{names[0]}..{names[-1]}"


def _parts(items, split, order, what):
    return groups(_ordered(items, order, split, what), *parse_split(split, len(items)))


def _ordered(items, order, name, what):
    """``items`` in the order that a config gives, or in their own."""
    if order is None:
        return list(items)
    if sorted(order) != sorted(items):
        raise InputError(f"protocol '{name}': order must name each {what} once.")
    return list(order)
