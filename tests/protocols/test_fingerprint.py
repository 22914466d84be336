"""What a fingerprint follows: every rule that changes results, and nothing else."""

import dataclasses

import pytest

from vdfd_seg.protocols import build_protocol
from vdfd_seg.protocols.cifar import CLASSES
from vdfd_seg.protocols.voc import CLASSES as VOC_CLASSES

VOC = {"type": "VOC", "split": "10-5"}
CITIES = {"type": "Cityscapes", "split": "11-5"}
CIFAR = {"type": "CIFAR100"}
NAMES = VOC_CLASSES[1:]
CHANGES = {
    "VOC": (
        VOC,
        [
            {"setting": "disjoint"},
            {"unseen": "ignore"},
            {"average": "all"},
            {"validation": 0.1},
            {"split": "5-5"},
            # Classes exchanged between tasks, and within one.
            {"order": [NAMES[-1], *NAMES[1:-1], NAMES[0]]},
            {"order": [NAMES[1], NAMES[0], *NAMES[2:]]},
        ],
    ),
    "Cityscapes": (
        CITIES, [{"domain_split": "published"}, {"test_share": 0.3}, {"split": "11-1"}],
    ),
    "CIFAR-100": (
        CIFAR,
        [
            {"scenario": "class"},
            {"tasks": 20},
            {"num_classes": 50},
            {"validation": 0.1},
            {"order": CLASSES[::-1]},
            {"order": (CLASSES[1], CLASSES[0], *CLASSES[2:])},
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CHANGES)
def test_every_rule_and_the_images_change_it(case):
    cfg, changes = CHANGES[case]
    prints = [build_protocol({**cfg, **change}).fingerprint() for change in ({}, *changes)]
    prints.append(build_protocol(cfg).fingerprint("other images"))
    assert len(set(prints)) == len(changes) + 2


def test_names_palette_and_spelling_do_not_change_it():
    protocol = build_protocol(VOC)
    tasks = tuple(dataclasses.replace(t, name=f"renamed {t.name}") for t in protocol.tasks)
    other = dataclasses.replace(protocol, name="other", palette=(), tasks=tasks)
    assert other.fingerprint() == protocol.fingerprint()
    for spelling in ({"validation": 0}, {"setting": "overlap", "order": list(NAMES)}):
        assert build_protocol({**VOC, **spelling}).fingerprint() == protocol.fingerprint()


@pytest.mark.parametrize(
    ("cfg", "expected"), [(VOC, "da600e18389ca2b9"), (CITIES, "b7325220417ff087")]
)
def test_those_of_segmentation_are_from_before_there_was_classification(cfg, expected):
    assert build_protocol(cfg).fingerprint("") == expected
