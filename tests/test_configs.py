"""Every config that ships can be loaded, and its network built and grown."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from vdfd_seg.engine import load_settings
from vdfd_seg.engine.networks import build_network
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.models import adapter_of
from vdfd_seg.registry import METHODS as METHOD_TYPES

ROOT = Path(__file__).parent.parent / "configs"
CONFIGS = sorted(p for p in ROOT.rglob("*.py") if "_base_" not in p.parts)
CLASSIFYING = sorted({p.parent.name for p in CONFIGS if "_preact-" in p.stem})
"""Folders of the methods that classify."""
SEGMENTING = {"mib": "MiB", "lwf": "LwF", "lwf_mc": "LwFMC", "ilt": "ILT", "rcil": "RCIL"}
"""Of those with an old network that segment, and their type."""

CITYSCAPES = ("finetune", "lwf", "lwf_mc", "ilt", "mib", "plop", "vdfd")
"""Folders of the methods with a sequence over Cityscapes."""

loaded = cache(load_settings)


def classifies(path):
    return loaded(path).protocol.problem == "classification"


@cache
def columns(model: str, sizes: tuple[int, ...]) -> tuple[int, int]:
    """Columns of the logits, and of those of every row; many configs share one network."""
    set_up()
    network, _ = build_network(json.loads(model), sizes)
    with torch.no_grad():
        outputs = adapter_of(network.eval(), "class").outputs(torch.zeros(1, 3, 64, 64))
    return outputs.logits.shape[1], outputs.all_logits.shape[1]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_builds(path):
    settings = loaded(path)
    last = len(settings.protocol.tasks) - 1
    model = settings.for_step(last).model.to_dict()
    # The losses differ between configs of one network; the logits do not.
    loss = model.get("decode_head", {}).pop("loss_decode", None)
    if path.stem.endswith("512x512"):
        # A mean over all pixels, as in the code of PLOP and RCIL.
        assert loss["avg_non_ignore"] is False
    sizes = tuple(settings.protocol.task_sizes(last))
    classes = settings.protocol.num_classes(last)
    rows = 4 if model.get("rotations") else 1
    assert columns(json.dumps(model, sort_keys=True), sizes) == (classes, rows * classes)
    assert classes == len(settings.protocol.label_names)


def test_names_say_the_protocol_and_the_dataset():
    for path in CONFIGS:
        protocol = loaded(path).protocol
        if classifies(path):
            assert protocol.dataset.lower() in path.stem
            assert f"-{len(protocol.tasks)}-{protocol.scenario}" in path.stem
            part = f"-{len(protocol.label_names)}c-" in path.stem
            assert part == (len(protocol.label_names) < len(protocol.classes))
        else:
            assert f"{protocol.dataset.lower()}-{protocol.name}" in path.stem


def test_names_say_rotations_and_the_method():
    for path in filter(classifies, CONFIGS):
        config = loaded(path).config
        assert path.stem.endswith("-rot") == bool(config.model.get("rotations")), path.stem
        assert path.stem.startswith(f"{path.parent.name.replace('_', '-')}_")
        kind = config.get("method_name", config.method.type)
        assert kind.lower() == path.parent.name.replace("_", "")


@pytest.mark.parametrize("method", CLASSIFYING)
def test_every_method_has_the_splits_of_cifar(method):
    kind = next(loaded(p).config.method.type for p in CONFIGS if p.parent.name == method)
    if "classification" not in METHOD_TYPES.get(kind).problems:
        return
    found = set()
    for path in CONFIGS:
        protocol = loaded(path).protocol
        if path.parent.name == method and protocol.dataset == "CIFAR100":
            rotations = bool(loaded(path).config.model.get("rotations"))
            found.add(
                (len(protocol.tasks), protocol.scenario, rotations, len(protocol.label_names))
            )
    for tasks in (10, 20):
        for scenario in ("task", "class"):
            for rotations in (False, True):
                assert (tasks, scenario, rotations, 100) in found


def test_methods_of_a_protocol_differ_in_nothing_but_the_method():
    for path in filter(classifies, CONFIGS):
        own = {"method", "method_name"}
        if path.parent.name == "dfd":
            # Its released recipe has another learning rate.
            own.add("optim_wrapper")
        base = ROOT / "finetune" / f"finetune_{path.stem.removesuffix('-rot').split('_', 1)[1]}.py"
        turned = base.with_stem(f"{base.stem}-rot")
        if path.stem.endswith("-rot") and turned.exists():
            base = turned
        one, two = (loaded(each).config.to_dict() for each in (path, base))
        if "-rot" in path.stem and base is not turned:
            one["model"].pop("rotations")
        assert {k: v for k, v in one.items() if k not in own} == {
            k: v for k, v in two.items() if k not in own
        }, path.stem


@pytest.mark.parametrize("folder", SEGMENTING)
def test_methods_with_an_old_network_segment_the_same_sequences(folder):
    found = {}
    for path in (ROOT / folder).glob("*_deeplabv3_*.py"):
        prefix, rest = path.stem.split("_", 1)
        assert prefix == folder.replace("_", "-")
        found[rest] = config = loaded(path).config.to_dict()
        assert config["method"]["type"] == SEGMENTING[folder]
        # MiB and RCIL have a loss of the heads and a start of new rows; the others have neither.
        # By domain no class is new and nothing is hidden: there is nothing to be unbiased about.
        unbiased = folder in ("mib", "rcil") and loaded(path).protocol.scenario == "class"
        loss = config["model"]["decode_head"]["loss_decode"]["type"]
        assert (loss == "vdfd_seg.UnbiasedCrossEntropyLoss") == unbiased
        # On the published schedule RCIL copies the background's weights alone, as its code does.
        init = "weights" if folder == "rcil" and rest.endswith("512x512") else "balanced"
        assert not unbiased or loaded(path).method().new_rows == init
        base = loaded(ROOT / "finetune" / f"finetune_{rest}.py").config.to_dict()
        for each in (config, base):
            each["model"]["decode_head"].pop("loss_decode")
        own = {"method", "method_name"}
        if folder == "rcil" and "_r101-" in rest:
            # Its released recipe has another learning rate in the first step, and by domain also
            # in the later ones.
            assert config["optim_wrapper"].pop("optimizer") == {
                **base["optim_wrapper"].pop("optimizer"), "lr": 0.02
            }  # fmt: skip
            later = {"11-5": 0.002, "11-1": 0.004, "1-1": 0.002}
            protocol = loaded(path).protocol
            expected = later[protocol.name] if protocol.scenario == "domain" else 0.001
            assert loaded(path).for_step(1).optim_wrapper.optimizer.lr == expected
            for each in (config, base):
                each.pop("step_overrides")
        assert {k: v for k, v in config.items() if k not in own} == {
            k: v for k, v in base.items() if k not in own
        }
    assert {rest.split("_")[-1] for rest in found} == {
        "digitscenes-4-3", "voc-10-5-160x160", "voc-10-1-512x512", "voc-10-5-512x512",
        "voc-15-1-512x512", "voc-15-5-512x512", "camvid-1-1-160x160",
        "cityscapes-11-5-512x512", "cityscapes-11-1-512x512", "cityscapes-1-1-512x512",
    }  # fmt: skip


@pytest.mark.parametrize("split", ["11-5", "11-1", "1-1"])
@pytest.mark.parametrize("folder", CITYSCAPES)
def test_methods_of_the_papers_table_on_cityscapes(folder, split):
    """They differ in the method alone, and in nothing a domain-incremental sequence has not."""
    rest = f"deeplabv3_r101-d16_2xb12-50e_cityscapes-{split}-512x512"
    path = ROOT / folder / f"{folder.replace('_', '-')}_{rest}.py"
    config = loaded(path).config.to_dict()
    base = loaded(ROOT / "finetune" / f"finetune_{rest}.py").config.to_dict()
    own = {"method", "method_name"}
    assert {k: v for k, v in config.items() if k not in own} == {
        k: v for k, v in base.items() if k not in own
    }
    assert loaded(path).protocol.domain_split == "clean"
    published = load_settings(path, {"protocol.domain_split": "published"}).protocol
    assert published.domain_split == "published"
    rates = [loaded(path).for_step(step).optim_wrapper.optimizer.lr for step in (0, 1)]
    assert rates == [0.01, 0.001] and config["train_cfg"] == {"max_epochs": 50}
    expected = {
        "mib": {"weight": 10.0},
        "plop": {
            "feature_weight": 1e-4, "logits_weight": 1e-3 if split == "1-1" else 1e-4,
            "use_pseudo_labels": False, "adaptive_factor": False,
        },
    }  # fmt: skip
    method = {k: v for k, v in config["method"].items() if k != "type"}
    assert method == expected.get(folder, method)


def test_every_base_is_used():
    text = "".join(p.read_text() for p in ROOT.rglob("*.py"))
    unused = [p.name for p in (ROOT / "_base_").rglob("*.py") if f"{p.name}'" not in text]
    assert not unused
