import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.protocols import build_protocol, random_orders

CONFIGS = [
    {"type": "VOC", "split": "15-1"},
    {"type": "DigitScenes"},
    {"type": "CIFAR100", "tasks": 5, "num_classes": 50},
    {"type": "Digits", "scenario": "class"},
    {"type": "CamVid"},
    {"type": "Cityscapes", "split": "11-1"},
    {
        "type": "Custom", "classes": ["bg", "a", "b", "c", "d"], "background": "bg",
        "tasks": [["bg", "a"], ["b", "c"], {"name": "last", "classes": ("d",)}],
    },
]  # fmt: skip


def orders(cfg, number):
    return random_orders(cfg, build_protocol(cfg), number)


def parts(protocol):
    return [set(task.classes) | set(task.domains) for task in protocol.tasks]


@pytest.mark.parametrize("cfg", CONFIGS, ids=lambda cfg: cfg["type"])
class TestOrders:
    def test_same_classes_and_sizes_in_another_order(self, cfg):
        own = build_protocol(cfg)
        drawn = [build_protocol({**cfg, **changes}) for changes in orders(cfg, 2)]
        for protocol in drawn:
            assert sorted(protocol.label_names) == sorted(own.label_names)
            assert set.union(*parts(protocol)) == set.union(*parts(own))
            assert sorted(map(len, parts(protocol))) == sorted(map(len, parts(own)))
            assert protocol.background == own.background
        assert len({protocol.fingerprint() for protocol in drawn}) == 2

    def test_first_of_few_are_first_of_many(self, cfg):
        assert orders(cfg, 1) == orders(cfg, 2)[:1]


def test_an_order_is_known_in_advance():
    """Hashes of names: no generator, version or platform enters."""
    assert orders({"type": "CamVid"}, 1) == [{"order": ["0001TP", "0006R0", "0016E5", "Seq05VD"]}]


def test_order_does_not_depend_on_the_order_it_begins_from():
    cfg = {"type": "CamVid"}
    turned = {**cfg, "order": ["0006R0", "0001TP", "Seq05VD", "0016E5"]}
    assert orders(cfg, 3) == orders(turned, 3)


def test_all_orders_of_four_are_different_and_a_25th_is_refused():
    drawn = orders({"type": "CamVid"}, 24)
    assert len({tuple(each["order"]) for each in drawn}) == 24
    with pytest.raises(InputError, match="25 orders asked for.*have 24"):
        orders({"type": "CamVid"}, 25)


@pytest.mark.parametrize("kind", ["CamVid", "Cityscapes"])
def test_orders_of_domains_name_each_once(kind):
    cfg = {"type": kind, "split": "1-1"}
    names = [task.domains[0] for task in build_protocol(cfg).tasks]
    turned = build_protocol({**cfg, "order": names[::-1]})
    assert [task.domains[0] for task in turned.tasks] == names[::-1]
    assert turned.tasks[0].classes == build_protocol(cfg).tasks[0].classes
    with pytest.raises(InputError, match="name each"):
        build_protocol({**cfg, "order": names[1:]})
