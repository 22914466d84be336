import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method
from vdfd_seg.methods.common.options import (
    at_least_one,
    none_or_at_least_one,
    not_negative,
    one_of,
    positive,
)

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("check", "fit", "unfit"),
    [
        (not_negative, (0, 0.5, 3), (-1, -1e-9, NAN, INF)),
        (positive, (1e-9, 2), (0, -1, NAN, INF)),
        (at_least_one, (1, 7, (1, 2), [4]), (0, -3, (), [], (1, 0))),
        (none_or_at_least_one, (1, 7, None), (0, -3)),
    ],
)
def test_numbers(check, fit, unfit):
    for value in fit:
        check("a method", option=value)
    for value in unfit:
        with pytest.raises(InputError, match="method str: option="):
            check("a method", option=value)


def test_words():
    one_of("a method", ("left", "right"), side="left")
    with pytest.raises(InputError, match=r"side='up' is not one of \('left', 'right'\)"):
        one_of("a method", ("left", "right"), side="up")


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"type": "EWC", "images": 0}, "method EWC: images=0 must be None or at least 1"),
        ({"type": "MAS", "images": -3}, "method MAS: images=-3 must be None or at least 1"),
        ({"type": "ILT", "weight": -1}, "method ILT: weight=-1 must not be negative"),
        ({"type": "PLOP", "feature_weight": NAN}, "method PLOP: feature_weight=nan"),
        ({"type": "PLOP", "scales": []}, "method PLOP: scales="),
        ({"type": "SI", "damping": NAN}, "method SI: damping=nan must be above 0"),
        ({"type": "VDFDPlus", "weight": NAN}, "method VDFDPlus: weight=nan"),
        ({"type": "VDFDPlus", "num_views": None}, "method VDFDPlus: "),
        ({"type": "VDFD", "rank": None}, "method VDFD: "),
        ({"type": "RCIL", "pool_sizes": (4, 0)}, "method RCIL: pool_sizes="),
    ],
)
def test_every_method_refuses_in_the_same_words(cfg, message):
    with pytest.raises(InputError, match=message):
        build_method(cfg)
