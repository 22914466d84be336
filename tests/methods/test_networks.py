"""What docs/en/user_guides/networks.md says of each network of MMSegmentation."""

import re
from contextlib import nullcontext

import pytest
import torch
from mmengine.config import Config
from mmseg.models import backbones, decode_heads
from torch import nn

from tests.documented import ROOT
from tests.narrow_networks import FOLDER, FURTHER, SIZES, narrow_network
from vdfd_seg.engine.input.config_file import read_config
from vdfd_seg.engine.networks import build_network, model_config
from vdfd_seg.errors import InputError
from vdfd_seg.models.growth import UNSUITED

PAGE = (ROOT / "docs/en/user_guides/networks.md").read_text()
METHODS = ("FineTune", "MiB", "VDFDPlus", "VDFD")
TASKS = [["background", "a"], ["b", "c"]]


def rows_below(heading):
    """The cells of the table in a section of the page."""
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    lines = re.findall(r"^\| (`.*) \|$", section, re.M)
    return [[cell.replace("`", "") for cell in line.split(" | ")] for line in lines]


WORKING = {row[0]: row[1:] for row in rows_below("# Networks")}
REFUSED = rows_below("## Refused")
MISSING = rows_below("## Needs more")


FAST = {
    "fcn_unet_s5-d16": "FineTune", "pspnet_unet_s5-d16": "MiB", "deeplabv3_unet_s5-d16": "VDFDPlus",
    "deeplabv3plus_r50-d8": "VDFD", "fpn_r50": "FineTune", "upernet_swin": "VDFD",
    "ocrnet_r50-d8": "MiB", "segformer_mit-b0": "VDFDPlus", "segmenter_vit-b16_mask": "VDFD",
    "setr_pup": "FineTune", "dpt_vit-b16": "MiB", "stdc": "VDFDPlus", "bisenetv1_r18-d32": "MiB",
    "fast_scnn": "VDFD", "ocrnet_hr18": "FineTune", "segnext_mscan-t": "VDFD",
    "resnest_s101-d8_fcn": "MiB", "fcn_resnext50": "VDFDPlus", "twins_svt-s_fpn": "VDFD",
}  # fmt: skip
"""The method of each network that the test command tries; `make test-all` tries all with all."""

LINEAR = [
    *({"type": kind} for kind in ("PLOP", "RCIL", "DKD", "STAR", "BARM", "SegACIL", "DFT")),
    {"type": "FrozenTrunk"},
    {"type": "VDFDPlus", "replay": 8},
]
"""Methods that take a linear classifier, or maps of 3x3 convolutions."""


def cases():
    """Every network with every method."""
    return [
        pytest.param(name, method, marks=[] if FAST.get(name) == method else [pytest.mark.slow])
        for name, row in WORKING.items()
        for method in METHODS
        if method != "VDFD" or row[3] not in ("no", "refused")
    ]


@pytest.fixture
def tiny_network(registered_modules, name):
    """In place of the tiny DeepLab: the network of a base file."""

    def make(num_classes, seed):
        torch.manual_seed(seed)
        network, _ = build_network(narrow_network(name), num_classes)
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.momentum = 1.0  # statistics that fit after one update
        return network

    return make


@pytest.fixture
def make_batch(make_batch, name):
    """Images of the size that the network needs."""
    return lambda *args, **settings: make_batch(*args, size=SIZES.get(name, 32), **settings)


def config_of(method, name):
    skips = method == "VDFD" and WORKING[name][3] != "yes"
    return {"type": method, **({"unknown": "skip"} if skips else {})}


@pytest.mark.parametrize(("name", "method"), cases())
def test_trains_and_grows(successor, train, tiny_protocol, name, method):
    cfg = config_of(method, name)
    protocol = tiny_protocol(tasks=TASKS)
    step = successor(cfg, "balanced", updates=1, protocol=protocol)
    heads = [type(head).__name__ for key, head in step.adapter.heads.items() if "decode" in key]
    assert " → ".join(heads) == WORKING[name][0]
    assert type(step.network.backbone).__name__ == WORKING[name][1]
    train(step, updates=1)
    # Under DistributedDataParallel a parameter without a gradient is an error.
    assert [
        k for k, p in step.learner.named_parameters() if p.requires_grad and p.grad is None
    ] == []
    assert all(parameter.isfinite().all() for parameter in step.learner.parameters())
    predicted = step.learner.eval()(step.inputs, step.samples, mode="predict")
    assert predicted[0].seg_logits.data.shape[0] == len(protocol.classes)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(
            name, marks=[] if name in ("upernet_beit", "upernet_swin") else pytest.mark.slow
        )
        for name, row in WORKING.items()
        if row[3] not in ("yes", "refused")
    ],
)
def test_vdfd_says_what_it_does_not_know(begin, end, tiny_protocol, name):
    told = "unknown='skip'"
    assert WORKING[name][3] in ("no", f"with {told}")
    step = begin({"type": "VDFD"}, protocol=tiny_protocol(tasks=TASKS))
    with pytest.raises(InputError, match=told):
        end(step)
    if WORKING[name][3] == "no":
        step.method.unknown = "skip"
        with pytest.raises(InputError, match="outside the forward pass of its layer"):
            end(step)


@pytest.mark.parametrize("name", ["segmenter_vit-b16_mask"])
class TestSegmenter:
    def test_rows_of_old_classes_stay_where_they_are_frozen(self, successor, train, name):
        step = successor({"type": "VDFD", "unknown": "skip", "old_rows": "frozen"})
        before = step.previous.state
        train(step, updates=1)
        after = step.network.state_dict()
        assert torch.equal(after["decode_head.cls_emb"][:, :2], before["decode_head.cls_emb"])
        assert torch.equal(
            after["decode_head.mask_norm.bias"][:2], before["decode_head.mask_norm.bias"]
        )
        # Others train.
        changed = "decode_head.dec_proj.weight"
        assert not torch.equal(after[changed], before[changed])

    @pytest.mark.parametrize(
        "cfg",
        [
            pytest.param(cfg, marks=[] if cfg["type"] == "DKD" else [pytest.mark.slow])
            for cfg in LINEAR
        ],
        ids=lambda cfg: cfg["type"],
    )
    def test_is_refused_where_a_linear_classifier_is_needed(self, successor, train, name, cfg):
        words = "has no linear classifier|has no 3x3 convolution"
        with pytest.raises(InputError, match=words):
            train(successor(cfg))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["PLOP", "ILT"])
@pytest.mark.parametrize("name", ["dpt_vit-b16", "ocrnet_r50-d8"])
def test_maps_are_distilled(successor, train, losses_of, name, method):
    step = successor({"type": method})
    train(step)
    term = {"PLOP": "loss_pod", "ILT": "loss_features"}[method]
    assert losses_of(step)[term] > 0


@pytest.mark.parametrize(("head", "file", "why"), REFUSED)
def test_is_refused_by_name(registered_modules, head, file, why):
    model = {"type": "EncoderDecoder"}
    if file != "–":
        model = Config.fromfile(FOLDER / f"{file}.py").model
    model.setdefault("decode_head", {"type": head})
    with pytest.raises(InputError, match=f"the head {head} cannot grow: {why}"):
        model_config(model, 3)


@pytest.mark.parametrize(("part", "file", "needs"), MISSING)
def test_what_is_not_installed_is_refused_by_name(registered_modules, part, file, needs):
    if file == "–":
        model = narrow_network("fcn_r50-d8") | {"backbone": {"type": part, "model_name": "any"}}
    else:
        path = FOLDER / f"{file}.py"
        model = Config.fromfile(path, import_custom_modules=False).model
        with pytest.raises(InputError, match=needs) if needs == "mmpretrain" else nullcontext():
            read_config(path)
    with pytest.raises(InputError, match=f"cannot be built: .*{needs}"):
        build_network(model, 3)


def test_every_network_is_on_the_page():
    others = [row[1] for row in REFUSED + MISSING if row[1] != "–"]
    known = [*(path.stem for path in FOLDER.glob("*.py")), *FURTHER]
    assert sorted([*WORKING, *others]) == sorted(known)
    assert {row[0] for row in REFUSED} == set(UNSUITED)


@pytest.mark.parametrize("parts", [backbones, decode_heads], ids=["backbones", "decode_heads"])
def test_every_head_and_backbone_is_on_the_page(parts):
    assert [name for name in parts.__all__ if f"`{name}`" not in PAGE] == []
