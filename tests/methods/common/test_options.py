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


GAUSSIAN = {"type": "GaussianBound"}
REFUSED = {
    "DKD": [
        ({"kd_weight": -1.0}, "kd_weight="), ({"dkd_weight": NAN}, "dkd_weight="),
        ({"auxiliary_lr": 0.0}, "auxiliary_lr="), ({"pos_weight": 0.0}, "pos_weight="),
        ({"num_views": 0}, "num_views="),
    ],
    "EWC": [
        ({"weight": -1}, "weight=-1 must not be negative"), ({"alpha": 1.5}, "alpha=1.5"),
        ({"estimator": "images"}, "estimator='images' is not one of"),
        ({"batch_size": 0}, "batch_size=0 must be at least 1"),
        ({"images": 0}, "images=0 must be at least 1 or None"),
    ],
    "ICaRL": [({"exemplars": 0}, "exemplars=0 must be at least 1"), ({"weight": -1}, "weight=-1")],
    "ILT": [
        ({"weight": -1}, "weight=-1 must not be negative"),
        ({"feature_weight": -1}, "feature_weight=-1"),
    ],
    "LwF": [
        ({"weight": -1}, "weight=-1 must not be negative"), ({"weight": NAN}, "weight=nan"),
        ({"temperature": 0}, "temperature=0 must be above 0"),
        ({"variant": "mib"}, "variant='mib' is not one of"),
        ({"gaussians": -0.1}, "gaussians=-0.1 must not be negative"), ({"gaussians": "few"}, ""),
    ],
    "LwFMC": [({"weight": -1}, "weight=-1")],
    "MAS": [({"weight": -1}, "weight=-1"), ({"images": -3}, "images=-3 must be at least")],
    "MiB": [
        ({"weight": -1}, "weight=-1"), ({"alpha": 0}, "alpha=0 must be above 0"),
        ({"fuse": "much"}, ""), ({"fuse": -1}, "fuse=-1 must be from 0 to 1"),
    ],
    "PLOP": [
        ({"feature_weight": NAN}, "feature_weight=nan"), ({"logits_weight": -1}, "logits_weight"),
        ({"min_threshold": -1}, "min_threshold=-1"), ({"bins": 0}, "bins=0"),
        ({"scales": []}, "scales="), ({"scales": (0, 1)}, "scales="), ({"scales": 4}, "scales=4"),
        ({"entropy": "other"}, "entropy='other' is not one of"),
    ],
    "RCIL": [
        ({"kd_weight": -1}, "kd_weight"), ({"spatial_weight": -1}, "spatial_weight"),
        ({"spatial_logits_weight": NAN}, "spatial_logits_weight=nan"),
        ({"channel_weight": -1}, "channel_weight"), ({"alpha": 0}, "alpha=0"),
        ({"channel_last_weight": -1}, "channel_last_weight"), ({"pool_sizes": ()}, "pool_sizes="),
        ({"pool_sizes": (0, 4)}, "pool_sizes="), ({"pool_channels": 0}, "pool_channels=0"),
    ],
    "SSUL": [
        ({"threshold": -0.1}, "threshold="), ({"background": "slow"}, "background="),
        ({"unknown_lr": 0.0}, "unknown_lr="), ({"num_views": 0}, "num_views="),
    ],
    "STAR": [
        ({"pkd_weight": -1.0}, "pkd_weight="), ({"cont_weight": NAN}, "cont_weight="),
        ({"num_samples": 0}, "num_samples="), ({"pos_weight": 0.0}, "pos_weight="),
        ({"num_views": 0}, "num_views="),
    ],
    "SegACIL": [
        ({"ridge": 0}, "ridge="), ({"confidence": -1}, "confidence="),
        ({"num_views": 0}, "num_views="),
    ],
    "SI": [({"weight": -1}, "weight=-1"), ({"damping": 0}, "damping=0 must be above 0")],
    "VDFD": [
        ({"weight": "much"}, ""), ({"weight": -1}, "weight=-1"), ({"rank": None}, ""),
        ({"rank": 0}, "rank=0 must be at least 1"), ({"eps": 0}, "eps=0 must be above 0"),
        ({"images": 0}, "images=0 must be at least 1 or None"),
        ({"old_rows": "fixed"}, "old_rows='fixed' is not one of"),
        ({"unknown": "ignore"}, "unknown='ignore' is not one of"),
        ({"accumulation": "mean"}, "accumulation='mean' is not one of"),
    ],
    "VDFDPlus": [
        ({"weight": NAN}, "weight=nan"), ({"num_views": None}, ""),
        ({"num_views": 0}, "num_views=0 must be at least 1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [(name, *case) for name, cases in REFUSED.items() for case in cases],
)
def test_every_method_refuses_in_the_same_words(name, options, message):
    with pytest.raises(InputError, match=f"method {name}: {message}"):
        build_method({"type": name, **options})


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"type": "VDFD", "precision": "gnc"}, "unknown precision 'gnc'. Did you mean 'gcn'"),
        ({"type": "VDFD", "precision": None}, "unknown precision 'None'"),
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
        ({"type": "VDFDPlus", "divergence": {**GAUSSIAN, "precision": "full"}}, "precision 'full'"),
        ({"type": "VDFDPlus", "divergence": {**GAUSSIAN, "eps": 0.0}}, "eps=0.0"),
    ],
)
def test_parts_of_a_method_refuse_as_well(cfg, message):
    with pytest.raises(InputError, match=message):
        build_method(cfg)
