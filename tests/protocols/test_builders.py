"""The literature's tasks, class by class."""

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
    for wrong in (CLASSES[1:-1], CLASSES, (*CLASSES[1:-1], "aeroplane")):
        with pytest.raises(InputError, match="order must name each foreground class of VOC once"):
            voc("15-5", order=wrong)


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


def test_what_is_no_split_is_refused():
    for split in ("0-5", "11-0", "21-1", "10-3", "30-1"):
        with pytest.raises(InputError, match="cannot split 20"):
            groups(CLASSES[1:], *parse_split(split, 20))
    for split in ("10", "a-b", "10-5-5", "-1-5", "", "10_5"):
        with pytest.raises(InputError, match="not of the form X-Y"):
            parse_split(split, 20)


def test_task_names_are_short():
    assert task_name(["a", "b", "c"]) == "a+b+c"
    assert task_name(["a", "b", "c", "d"]) == "a..d"
