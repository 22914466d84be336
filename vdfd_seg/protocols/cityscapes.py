"""Cityscapes, domain-incremental: one city after another."""

from collections.abc import Sequence

from vdfd_seg.errors import unknown_name
from vdfd_seg.protocols.protocol import Protocol, Task
from vdfd_seg.protocols.splits import groups, ordered, parse_split, task_name

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip

PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
    (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip

CITIES = (
    "aachen", "bremen", "darmstadt", "erfurt", "hanover", "krefeld", "strasbourg", "tubingen",
    "weimar", "bochum", "cologne", "dusseldorf", "hamburg", "jena", "monchengladbach",
    "stuttgart", "ulm", "zurich", "frankfurt", "lindau", "munster",
)  # fmt: skip
"""In the order of PLOP's domain-incremental benchmark (Douillard et al., CVPR 2021)."""

SPLITS = ("offline", "11-5", "11-1", "1-1")


def domain_incremental(name, dataset, classes, parts, palette=(), void=(), **rules) -> Protocol:
    """A domain-incremental protocol: the same classes, new domains at each step.

    Args:
        name: The protocol's name.
        dataset: The data set's name.
        classes: The class names in mask order.
        parts: For each task, the names of its domains.
        palette: One RGB colour a class, those of ``void`` included.
        void: Names of the ids that follow in the masks and are never learned nor tested.
        **rules: Further fields of :class:`Protocol`.
    """
    tasks = [Task(task_name(part), (), tuple(part)) for part in parts]
    tasks[0] = Task(tasks[0].name, tuple(classes), tasks[0].domains)
    return Protocol(
        name=name,
        dataset=dataset,
        scenario="domain",
        classes=(*classes, *void),
        tasks=tuple(tasks),
        background=None,
        setting=None,
        palette=tuple(palette),
        **{"unseen": "ignore", **rules},
    )


def cityscapes(split: str, order: Sequence[str] | None = None, **rules) -> Protocol:
    """Cityscapes over 21 cities: ``11-5`` (3 tasks), ``11-1`` (11) or ``1-1`` (21).

    The images of the official training and validation sets together are divided
    by ``domain_split`` (default ``"clean"``).

    Args:
        split: One of :data:`SPLITS`.
        order: The cities in the order they are learned; default PLOP's.
        **rules: Further fields of :class:`~vdfd_seg.protocols.Protocol`.

    Raises:
        InputError: For an unknown split, or an order that is no permutation of the cities.
    """
    if split not in SPLITS:
        raise unknown_name("Cityscapes split", split, SPLITS)
    cities = ordered(CITIES, order, split, "city of Cityscapes")
    parts = groups(cities, *parse_split(split, len(CITIES)))
    rules = {"domain_split": "clean", **rules}
    return domain_incremental(split, "Cityscapes", CLASSES, parts, PALETTE, **rules)
