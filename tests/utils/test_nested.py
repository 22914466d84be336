import pytest

from vdfd_seg.utils.nested import difference_text

OLD = {"optimizer": {"type": "SGD", "lr": 0.1}, "steps": [{"at": 1}, {"at": 2}], "name": None}


@pytest.mark.parametrize(
    ("new", "text"),
    [
        (OLD, ""),
        ({**OLD, "optimizer": {"type": "SGD", "lr": 0.2}}, "optimizer.lr was 0.1, now 0.2"),
        ({**OLD, "optimizer": {"lr": 0.1}}, "optimizer.type was 'SGD', now not set"),
        ({**OLD, "more": {}}, "more was not set, now {}"),
        ({**OLD, "name": 3, "steps": [{"at": 1}, {"at": 5}]},
         "steps[1].at was 2, now 5; name was None, now 3"),
        ({**OLD, "steps": [{"at": 1}]}, "steps was [{'at': 1}, {'at': 2}], now [{'at': 1}]"),
        ({**OLD, "optimizer": "SGD"}, "optimizer was {'type': 'SGD', 'lr': 0.1}, now 'SGD'"),
    ],
)  # fmt: skip
def test_by_hand(new, text):
    assert difference_text(OLD, new) == text


def test_many_are_counted_and_long_ones_are_cut():
    old, new = ({f"k{n}": n + shift for n in range(9)} for shift in (0, 1))
    assert difference_text(old, new).endswith("k5 was 5, now 6; and 3 more")
    assert len(difference_text({"k": "x" * 10_000}, {"k": None})) < 300
