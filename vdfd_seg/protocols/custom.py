"""Protocols over a user's own data, written out in the config."""

from collections.abc import Sequence
from typing import Any

from vdfd_seg.errors import InputError
from vdfd_seg.protocols.builders import task_name
from vdfd_seg.protocols.protocol import Protocol, Task


def custom(
    classes: Sequence[str],
    tasks: Sequence[dict | Sequence[str]],
    name: str = "custom",
    dataset: str = "custom",
    scenario: str = "class",
    **rules,
) -> Protocol:
    """A protocol whose tasks are lists of names: of classes, or of domains (folders).

    Args:
        classes: All class names; a class's position is its id in the masks.
        tasks: For each task the names of its classes (``scenario="class"``) or of its domains
            (``"domain"``): a list of names, or a dict of the fields of :class:`Task`. The first
            task of ``"domain"`` has all classes; where it lists some, the others are void.
        name: The protocol's name.
        dataset: The data set's name.
        scenario: ``"class"``, ``"domain"``, or with ``problem="classification"`` ``"task"``.
        **rules: Further fields of :class:`Protocol`. The background is the class of that name,
            unless ``background`` names another; without one, ``unseen`` is ``"ignore"``.

    Raises:
        InputError: For a task that is neither a list of names nor a dict of Task's fields, or a
            class that may be meant as the background.
    """
    part = "domains" if scenario == "domain" else "classes"
    built = []
    for number, task in enumerate(tasks):
        fields: dict[str, Any] = dict(task) if isinstance(task, dict) else {part: task}
        unknown = set(fields) - {"name", "classes", "domains"}
        if unknown:
            raise InputError(f"protocol '{name}': task {number} has unknown keys {unknown}.")
        if any(isinstance(fields.get(key), str) for key in ("classes", "domains")):
            raise InputError(
                f"protocol '{name}': the classes or domains of task {number} must be a list of "
                f"names."
            )
        names = fields.get("classes") or fields.get("domains") or ()
        title = fields.pop("name", task_name(names))
        built.append(Task(title, **{key: tuple(value) for key, value in fields.items()}))
    if scenario == "domain":
        if built:
            built[0] = Task(built[0].name, built[0].classes or tuple(classes), built[0].domains)
        rules = {"background": None, "unseen": "ignore", "setting": None, **rules}
    elif "background" not in rules and "background" not in classes:
        near = [c for c in classes if str(c).strip(" _").casefold() in ("background", "bg")]
        if near:
            raise InputError(
                f"protocol '{name}': is the class '{near[0]}' the background? Say so with "
                f"background='{near[0]}', or background=None, unseen='ignore'."
            )
        rules = {"background": None, "unseen": "ignore", **rules}
    palette = tuple(tuple(colour) for colour in rules.pop("palette", ()))
    return Protocol(
        name=name,
        dataset=dataset,
        scenario=scenario,
        classes=tuple(classes),
        tasks=tuple(built),
        palette=palette,
        **rules,
    )
