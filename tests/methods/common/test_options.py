import inspect
import re

import pytest
import torch

from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method
from vdfd_seg.methods.common.options import (
    WithOptions,
    at_least_one,
    none_or,
    not_negative,
    one_of,
    option,
    positive,
    share,
)
from vdfd_seg.registry import METHODS

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("declared", "fit", "unfit"),
    [
        (not_negative(1), (0, 0.5, 3), (-1, -1e-9, NAN, INF)),
        (positive(1), (1e-9, 2), (0, -1, NAN, INF)),
        (share(1), (0, 0.5, 1, True), (-0.1, 1.1, NAN)),
        (at_least_one(1), (1, 7), (0, -3, "few", (1, 2))),
        (at_least_one((1,)), ((1, 2), (4,)), ((), [], (1, 0), 4)),
        (none_or(at_least_one(1)), (1, 7, None), (0, -3)),
        (one_of("left", "right"), ("left", "right"), ("up", None)),
    ],
)
def test_values(declared, fit, unfit):
    class Part(WithOptions):
        side = declared

    for value in fit:
        assert Part(side=value).side == value
    for value in unfit:
        with pytest.raises(InputError, match=re.escape(f"method Part: side={value!r} ")):
            Part(side=value)


class Base(WithOptions):
    weight: float = not_negative(1.0)
    kind: str = one_of("round", "square")


class Derived(Base):
    kind = "square"
    layer = option(3, lambda width: torch.nn.Linear(width, width))

    def __init__(self, name="x", **options):
        super().__init__(**options)
        self.name = name


def test_a_subclass_has_its_bases_options_but_those_that_it_fixes():
    assert str(inspect.signature(Base)) == "(*, weight: float = 1.0, kind: str = 'round')"
    assert str(inspect.signature(Derived)) == "(name='x', *, weight: float = 1.0, layer=3)"
    made = Derived("y", weight=0.5)
    assert (made.name, made.weight, made.kind) == ("y", 0.5, "square")
    # What is read may be a module; a class's own attribute would hide it.
    assert [len(p) for p in made.parameters()] == [3, 3]
    with pytest.raises(TypeError, match="no option 'kind'"):
        Derived(kind="round")


def test_options_are_inherited_as_attributes_are():
    class Other(Base):
        weight: float = not_negative(2.0)

    class Both(Derived, Other):
        def __init__(self, weight=3.0, **options):
            super().__init__(weight=weight, **options)

    assert str(inspect.signature(Both)) == "(weight=3.0, *, layer=3)"
    assert Both.options["weight"].default == 2.0
    assert (Both().weight, Both(weight=5.0).weight, Both().kind) == (3.0, 5.0, "square")


REFUSED = [
    ("EWC", {"weight": -1}, "weight=-1 must not be negative"),
    ("EWC", {"estimator": "images"}, "estimator='images' is not one of"),
    ("EWC", {"images": 0}, "images=0 must be at least 1 or None"),
    ("ICaRL", {"exemplars": 0}, "exemplars=0 must be at least 1"),
    ("LwF", {"temperature": 0}, "temperature=0 must be above 0"),
    ("LwF", {"gaussians": -0.1}, "gaussians=-0.1 must not be negative"),
    ("MiB", {"fuse": -1}, "fuse=-1 must be from 0 to 1"),
    ("PLOP", {"scales": (0, 1)}, r"scales=\(0, 1\) must be a list of numbers of at least 1"),
    ("VDFD", {"rank": None}, "rank=None must be at least 1"),
]


@pytest.mark.parametrize(("name", "options", "message"), REFUSED)
def test_methods_refuse_in_the_same_words(name, options, message):
    with pytest.raises(InputError, match=f"method {name}: {message}"):
        build_method({"type": name, **options})


@pytest.mark.parametrize("name", sorted(METHODS.module_dict))
def test_every_option_of_every_method_with_a_rule_is_checked(name):
    for key, each in METHODS.get(name).options.items():
        if each.rule:
            with pytest.raises(InputError, match=f"method {name}: {key}='what' "):
                build_method({"type": name, key: "what"})


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"type": "VDFD", "precision": "gnc"}, "unknown precision 'gnc'. Did you mean 'gcn'"),
        ({"type": "VDFD", "precision": {"type": "GCN", "lr": 0}}, "precision GCN: lr=0 must be"),
        ({"type": "VDFDPlus", "divergence": "Student"}, "unknown divergence 'Student'"),
        (
            {"type": "VDFDPlus", "divergence": {"type": "Softmax", "temperature": 0.0}},
            "method SoftmaxDivergence: temperature=0.0",
        ),
        (
            {"type": "VDFDPlus", "divergence": {"type": "Softmax", "eps": 0.1}},
            "unknown key in method.divergence Softmax 'eps'.* Valid names: temperature.",
        ),
        (
            {"type": "VDFDPlus", "divergence": {"type": "GaussianBound", "precision": "full"}},
            "precision 'full'",
        ),
    ],
)
def test_parts_of_a_method_refuse_as_well(cfg, message):
    with pytest.raises(InputError, match=message):
        build_method(cfg)
