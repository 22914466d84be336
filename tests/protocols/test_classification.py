"""Protocols of classification, and that those of segmentation are what they were."""

import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.protocols import build_protocol
from vdfd_seg.protocols.cifar import CLASSES


def cifar(**rules):
    return build_protocol({"type": "CIFAR100", **rules})


@pytest.mark.parametrize("scenario", ["task", "class"])
@pytest.mark.parametrize(("tasks", "each"), [(10, 10), (20, 5)])
def test_the_splits_of_cifar(tasks, each, scenario):
    protocol = cifar(tasks=tasks, scenario=scenario)
    assert (protocol.name, protocol.dataset) == (f"{tasks}-split", "CIFAR100")
    assert (protocol.problem, protocol.scenario) == ("classification", scenario)
    assert protocol.background is None
    assert protocol.label_names == tuple(sorted(CLASSES))
    for step in range(tasks):
        assert protocol.tasks[step].classes == CLASSES[each * step : each * (step + 1)]
        assert protocol.task_sizes(step) == [each] * (step + 1)
        assert protocol.num_old(step) == each * step
        assert list(protocol.task_labels(step)) == list(range(each * step, each * (step + 1)))


def test_an_order_is_the_order_of_learning_and_not_of_the_labels_in_the_files():
    protocol = cifar(order=CLASSES[::-1], num_classes=6, tasks=3)
    assert protocol.label_names == CLASSES[:93:-1]
    assert protocol.tasks[0].classes == CLASSES[:97:-1]
    assert protocol.task_sizes(2) == [2, 2, 2]
    # All a data set's classes have labels in its files.
    assert protocol.classes == CLASSES


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({"tasks": 7}, "100 classes of CIFAR100 do not divide into tasks=7"),
        ({"tasks": "10"}, "tasks='10'"),
        ({"num_classes": 101}, "num_classes=101 must be a number from 1 to 100"),
        ({"order": CLASSES[:-1]}, "order must name each class of CIFAR100 once"),
        ({"scenario": "domain"}, "scenario='domain' is not for classification"),
        ({"setting": "overlap"}, "setting is not for classification; what can be set are tasks"),
        ({"task": 10}, "unknown key in protocol CIFAR100 'task'. Did you mean 'tasks'"),
    ],
)
def test_what_is_no_protocol_is_refused(rules, message):
    with pytest.raises(InputError, match=message):
        cifar(**rules)


def test_a_class_called_background_hides_nothing():
    """Images have one label each, whatever their classes are called."""
    names = ["background", "cat", "dog"]
    cfg = {"type": "Custom", "classes": names, "tasks": [names[:2], names[2:]]}
    assert build_protocol(cfg).hides
    assert not build_protocol({**cfg, "problem": "classification"}).hides
