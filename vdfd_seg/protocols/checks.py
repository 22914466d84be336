"""What protocols are refused for."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vdfd_seg.protocols.protocol import Protocol

IGNORE_INDEX = 255
SCENARIOS = {"segmentation": ("class", "domain"), "classification": ("class", "task")}
PROBLEMS = tuple(SCENARIOS)


def refusals(protocol: "Protocol") -> Iterator[str]:
    """What is wrong with a protocol; each holds only if nothing before it is wrong."""
    yield from _of_rules(protocol)
    yield from _of_classes(protocol)
    yield from _of_tasks(protocol)


def _of_rules(protocol):
    choices = {
        "problem": PROBLEMS,
        "unseen": ("background", "ignore", "ignore_background"),
        "average": ("present", "all"),
    }
    if protocol.scenario == "class" and protocol.problem == "segmentation":
        choices["setting"] = ("overlap", "disjoint", "partitioned")
    if protocol.domain_split is not None:
        choices["domain_split"] = ("clean", "published")
    for key, valid in choices.items():
        if getattr(protocol, key) not in valid:
            yield f"{key}={getattr(protocol, key)!r} is not one of {valid}."
    valid = SCENARIOS[protocol.problem]
    if protocol.scenario not in valid:
        yield f"scenario={protocol.scenario!r} is not for {protocol.problem}; use one of {valid}."
    for key in ("validation", "test_share"):
        if not 0 <= getattr(protocol, key) < 1:
            yield f"{key} must be in [0, 1)."
    unseen = protocol.unseen
    if protocol.scenario == "class" and protocol.background is None and "background" in unseen:
        yield f"unseen='{unseen}' needs a background class; use unseen='ignore'."
    if unseen == "ignore_background" and protocol.average == "all":
        yield "average='all' counts the background, which unseen ignores; use 'present'."


def _of_classes(protocol):
    classes, colours = protocol.classes, len(protocol.palette)
    if not classes:
        yield "has no classes; list those of the masks."
    if len(classes) > IGNORE_INDEX:
        yield f"{len(classes)} classes; masks of one byte hold {IGNORE_INDEX} at most."
    for name in classes:
        if not (isinstance(name, str) and name and name.isprintable() and name == name.strip()):
            yield f"the class name {name!r} must be text in one line, with no blanks around it."
        if classes.count(name) > 1:
            yield f"the class '{name}' is in classes twice; a class has one id in the masks."
    if colours and colours != len(classes):
        yield f"the palette has {colours} colours for {len(classes)} classes; give one for each."


def _of_tasks(protocol):
    tasks, part = protocol.tasks, "domains" if protocol.scenario == "domain" else "classes"
    if not tasks:
        yield "has no tasks; list at least one."
    for number, task in enumerate(tasks):
        if not getattr(task, part):
            yield f"task '{task.name}' has no {part}."
        if part == "domains" and number and task.classes:
            yield (
                f"task '{task.name}' introduces classes; with scenario='domain' every class "
                f"belongs to the first task."
            )
    domains = [name for task in tasks for name in task.domains] if part == "domains" else []
    for kind, names in (("class", protocol.label_names), ("domain", domains)):
        for name in names:
            if names.count(name) > 1:
                yield f"{kind} '{name}' is named more than once; each {kind} belongs to one task."
    for name in protocol.label_names:
        if name not in protocol.classes:
            known = ", ".join(protocol.classes)
            yield f"class '{name}' is not one of the data set's: {known}."
    if protocol.background is not None and tasks[0].classes[:1] != (protocol.background,):
        yield (
            f"the background class '{protocol.background}' must be the first class of the first "
            f"task; set background=None if there is none."
        )
