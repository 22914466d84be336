"""The literature's tasks, class by class."""

import random

import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.protocols import build_protocol
from vdfd_seg.protocols.builders import groups, parse_split, task_name
from vdfd_seg.protocols.cityscapes import CITIES
from vdfd_seg.protocols.voc import CLASSES, SPLITS


def voc(split, **rules):
    return build_protocol({"type": "VOC", "split": split, **rules})


def ids_of_tasks(protocol):
    return [list(protocol.mask_ids(task.classes)) for task in protocol.tasks]


def singles(first, last):
    return [[i] for i in range(first, last + 1)]


VOC_TASKS = {
    "offline": [list(range(21))],
    "19-1": [list(range(20)), [20]],
    "15-5": [list(range(16)), [16, 17, 18, 19, 20]],
    "15-1": [list(range(16)), [16], [17], [18], [19], [20]],
    "10-5": [list(range(11)), [11, 12, 13, 14, 15], [16, 17, 18, 19, 20]],
    "10-1": [list(range(11)), *singles(11, 20)],
    "5-5": [list(range(6)), [6, 7, 8, 9, 10], [11, 12, 13, 14, 15], [16, 17, 18, 19, 20]],
    "5-3": [list(range(6)), [6, 7, 8], [9, 10, 11], [12, 13, 14], [15, 16, 17], [18, 19, 20]],
    "5-1": [list(range(6)), *singles(6, 20)],
    "2-2": [[0, 1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14], [15, 16], [17, 18],
            [19, 20]],
    "2-1": [[0, 1, 2], *singles(3, 20)],
    "1-1": [[0, 1], *singles(2, 20)],
}  # fmt: skip


@pytest.mark.parametrize("split", SPLITS)
def test_voc_tasks_are_those_of_the_literature(split):
    assert ids_of_tasks(voc(split)) == VOC_TASKS[split]


def test_aliases_count_the_background():
    assert voc("11-5") == voc("10-5")
    assert voc("11-1") == voc("10-1")
    assert voc("15-5s") == voc("15-1")


def test_order_decides_which_classes_come_first():
    order = list(CLASSES[1:])[::-1]
    protocol = voc("15-5", order=order)
    assert protocol.tasks[0].classes == ("background", *order[:15])
    assert protocol.tasks[1].classes == tuple(order[15:])


@pytest.mark.parametrize("order", [CLASSES[1:-1], CLASSES, (*CLASSES[1:-1], "aeroplane")])
def test_order_that_is_no_permutation_is_refused(order):
    with pytest.raises(InputError, match="order must name each foreground class of VOC once"):
        voc("15-5", order=order)


CITY_TASKS = {
    "offline": [list(range(21))],
    "11-5": [list(range(11)), [11, 12, 13, 14, 15], [16, 17, 18, 19, 20]],
    "11-1": [list(range(11)), *singles(11, 20)],
    "1-1": singles(0, 20),
}


@pytest.mark.parametrize("split", CITY_TASKS)
def test_cityscapes_tasks_are_those_of_plop(split):
    protocol = build_protocol({"type": "Cityscapes", "split": split})
    found = [[CITIES.index(city) for city in task.domains] for task in protocol.tasks]
    assert found == CITY_TASKS[split]


def test_cities_are_numbered_as_in_plop():
    numbers = {
        "aachen": 0, "bremen": 1, "darmstadt": 2, "strasbourg": 6, "bochum": 9, "cologne": 10,
        "hamburg": 12, "frankfurt": 18, "lindau": 19, "munster": 20,
    }  # fmt: skip
    assert {city: CITIES.index(city) for city in numbers} == numbers
    assert len(set(CITIES)) == 21


def test_domain_tasks_share_all_classes_and_add_none():
    protocol = build_protocol({"type": "Cityscapes", "split": "11-5"})
    assert [protocol.num_classes(step) for step in range(3)] == [19, 19, 19]
    assert [list(protocol.task_labels(step)) for step in range(3)] == [list(range(19))] * 3
    assert protocol.domain_split == "clean"
    assert protocol.background is None


def test_digit_scenes_default():
    protocol = build_protocol({"type": "DigitScenes"})
    assert [len(task.classes) for task in protocol.tasks] == [5, 3, 3]
    assert protocol.classes[0] == protocol.background == "background"


def test_groups_partition_their_items_in_order():
    random.seed(0)
    for _ in range(300):
        first, each, tasks = random.randint(1, 6), random.randint(1, 4), random.randint(0, 5)
        items = [str(i) for i in range(first + each * tasks)]
        parts = groups(items, *parse_split(f"{first}-{each}", len(items)))
        assert [item for part in parts for item in part] == items
        assert [len(part) for part in parts] == [first] + [each] * tasks


@pytest.mark.parametrize("split", ["0-5", "11-0", "21-1", "10-3", "30-1"])
def test_a_split_that_does_not_fit_is_refused(split):
    with pytest.raises(InputError, match="cannot split 20"):
        groups(CLASSES[1:], *parse_split(split, 20))


@pytest.mark.parametrize("split", ["10", "a-b", "10-5-5", "-1-5", "", "10_5"])
def test_text_that_is_no_split_is_refused(split):
    with pytest.raises(InputError, match="not of the form X-Y"):
        parse_split(split, 20)


def test_task_names_are_short():
    assert task_name(["a"]) == "a"
    assert task_name(["a", "b", "c"]) == "a+b+c"
    assert task_name(["a", "b", "c", "d"]) == "a..d"
