"""Tasks and protocols: what is learned when, as plain objects."""

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Literal

from vdfd_seg.errors import InputError
from vdfd_seg.protocols.checks import IGNORE_INDEX, refusals

SALIENT_INDEX = 254
"""Label of background that a saliency map marks as some object, for methods that ask for it."""
UNKNOWN = -1


@dataclass(frozen=True)
class Task:
    """One step of a protocol.

    Attributes:
        name: A short name for tables and logs.
        classes: Names of the classes that it introduces; the background belongs to the first task.
            Domain-incremental: all classes in the first task, none in later ones.
        domains: Domain-incremental only: names of the domains whose images it holds, for instance
            the cities of Cityscapes.
    """

    name: str
    classes: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()


@dataclass(frozen=True)
class Protocol:
    """A list of tasks over one data set, and every rule that changes a result.

    Labels are numbered by order of appearance: the classes of task 0 first, in
    the order given, then those of task 1, and so on.

    Attributes:
        name: The protocol's name, for instance ``"10-5"``.
        dataset: The data set's name, for instance ``"VOC"``.
        scenario: ``"class"`` or ``"domain"`` incremental; classification also ``"task"``: an image
            comes with its task, whose classes alone compete (van de Ven and Tolias, 2019).
        classes: All class names of the data set; a class's position is its id in the masks, or
            among images' labels.
        tasks: The tasks, in order.
        background: The class that stands for everything not learned yet; None without one.
        setting: Class-incremental only; old and future classes are always masked to the
            background. ``"overlap"``: a step trains on every image with a pixel of one of its
            classes; ``"disjoint"``: on those of them without classes of later tasks (both MiB,
            Cermelli et al., CVPR 2020); ``"partitioned"``: every image belongs to one of its
            classes, drawn, and to the step that learns it (Kwak et al., 2024).
        unseen: What becomes of classes not learned yet at test time: ``"background"`` (PLOP,
            RCIL), ``"ignore"`` (MiB), or ``"ignore_background"``: ignored, and with them the
            background, an output that is then never right (MiB on ADE20K).
        average: A mean IoU is over the classes ``"present"`` in the test images (PLOP, RCIL) or
            over ``"all"`` classes seen.
        validation: Share of the training images kept for tuning, in [0, 1): by a hash of each
            image's name, so that adding images moves no other.
        domain_split: Domain-incremental only: how a domain's images are divided, see
            :mod:`vdfd_seg.datasets.segmentation.selection`; None where the data set comes with
            its own test images.
        test_share: Share of test images under ``domain_split``.
        palette: One RGB colour a class, in the order of ``classes``.
        problem: ``"segmentation"``: pixels have labels; ``"classification"``: images have, one
            each; a step trains on those of its own classes, and nothing is masked.

    Raises:
        InputError: For a class named twice or unknown to the data set, an unknown rule, a share
            out of range, or no tasks.
    """

    name: str
    dataset: str
    scenario: str
    classes: tuple[str, ...]
    tasks: tuple[Task, ...]
    background: str | None = "background"
    setting: str | None = "overlap"
    unseen: str = "background"
    average: Literal["present", "all"] = "present"
    validation: float = 0.0
    domain_split: str | None = None
    test_share: float = 0.2
    palette: tuple[tuple[int, int, int], ...] = ()
    problem: str = "segmentation"

    def __post_init__(self):
        for refusal in refusals(self):
            raise InputError(f"protocol '{self.name}': {refusal}")

    def check_problem(self, what: str, *problems: str, advice: str = "") -> None:
        """Refuse what is for other problems.

        Raises:
            InputError: Naming ``what`` and the problems, with sentences of ``advice``.
        """
        if self.problem not in problems:
            raise InputError(
                f"{what} is for {' and '.join(problems)}; protocol '{self.name}' of "
                f"{self.dataset} is about {self.problem}. {advice}".rstrip()
            )

    @property
    def hides(self) -> bool:
        """Whether the labels of a step hide all other classes in a background."""
        hidden = self.scenario == "class" and self.background is not None
        return hidden and self.problem == "segmentation"

    @property
    def label_names(self) -> tuple[str, ...]:
        """Class names in the order of the network's outputs after the last task."""
        return tuple(name for task in self.tasks for name in task.classes)

    def num_classes(self, step: int) -> int:
        """Number of classes the network tells apart after ``step``."""
        return sum(self.task_sizes(step))

    def task_sizes(self, step: int) -> list[int]:
        """Number of classes that each task up to ``step`` introduces."""
        return [len(task.classes) for task in self.tasks[: step + 1]]

    def task_of_class(self, step: int) -> list[int]:
        """For each class seen after ``step``, the task that introduced it."""
        return [task for task, size in enumerate(self.task_sizes(step)) for _ in range(size)]

    def num_old(self, step: int) -> int:
        """Number of classes known before ``step``; 0 at the first step."""
        return self.num_classes(step - 1) if step else 0

    def classes_seen(self, step: int) -> tuple[str, ...]:
        """Names of the classes known after ``step``, in label order."""
        return self.label_names[: self.num_classes(step)]

    def task_labels(self, step: int) -> range:
        """Labels (output channels) that ``step`` introduces; domain-incremental: all labels."""
        if self.scenario == "domain":
            return range(self.num_classes(0))
        return range(self.num_old(step), self.num_classes(step))

    def mask_ids(self, names) -> tuple[int, ...]:
        """Ids in the masks of the classes named."""
        return tuple(self.classes.index(name) for name in names)

    def foreground_ids(self, steps) -> tuple[int, ...]:
        """Mask ids of the classes of ``steps``, without the background."""
        names = [n for s in steps for n in self.tasks[s].classes if n != self.background]
        return self.mask_ids(names)

    def label_map(self, visible: range, rest: str) -> tuple[int, ...]:
        """Lookup table from mask value to label.

        Args:
            visible: Labels that keep their number.
            rest: What every other class becomes: ``"background"`` (label 0, the background
                shift) or ``"ignore"`` (255).

        Returns:
            256 numbers; -1 marks values that the data set does not have.
        """
        fill = 0 if rest == "background" and self.background is not None else IGNORE_INDEX
        table = [fill] * len(self.classes) + [UNKNOWN] * (256 - len(self.classes))
        for label in visible:
            table[self.classes.index(self.label_names[label])] = label
        if self.background is not None:
            table[self.classes.index(self.background)] = 0
        table[IGNORE_INDEX] = IGNORE_INDEX
        return tuple(table)

    def train_label_map(self, step: int, cumulative: bool = False) -> tuple[int, ...]:
        """Labels of a training image of ``step``: old and future classes masked.

        Args:
            step: The step.
            cumulative: Keep the old classes' labels (joint training).
        """
        visible = range(self.num_classes(step)) if cumulative else self.task_labels(step)
        return self.label_map(visible, "background")

    def test_label_map(self, step: int) -> tuple[int, ...]:
        """Labels of a test image after ``step``: unseen classes by the ``unseen`` rule."""
        table = list(self.label_map(range(self.num_classes(step)), self.unseen))
        if self.unseen == "ignore_background" and self.background is not None:
            table[self.classes.index(self.background)] = IGNORE_INDEX
        return tuple(table)

    def palette_of_labels(self) -> list[list[int]]:
        """RGB colours in label order; empty when the protocol has no palette."""
        if not self.palette:
            return []
        return [list(self.palette[i]) for i in self.mask_ids(self.label_names)]

    def fingerprint(self, split_hash: str = "") -> str:
        """Hash of everything that makes two results comparable.

        Args:
            split_hash: Digest of images and masks: a part of a data set is not mistaken for it.

        Returns:
            16 hexadecimal digits of a SHA-256.
        """
        rules = {k: v for k, v in asdict(self).items() if k not in ("name", "palette")}
        for task in rules["tasks"]:
            task.pop("name")
        for key in ("validation", "test_share"):
            rules[key] = float(rules[key])
        if self.problem == "segmentation":
            # As before there was another problem: results that exist keep their fingerprint.
            del rules["problem"]
        text = json.dumps([rules, split_hash], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]
