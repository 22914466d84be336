"""Benchmarks, methods and results: every pair that makes sense composes, and every network is built
and grown."""

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest
import torch
import yaml
from mmengine.config import Config

from vdfd_seg.cli import train
from vdfd_seg.cli.arguments import settings_of
from vdfd_seg.engine import load_run
from vdfd_seg.engine.networks import build_network
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method
from vdfd_seg.models import adapter_of
from vdfd_seg.models.weight_files import weights_url
from vdfd_seg.protocols import build_protocol
from vdfd_seg.registry import METHODS
from vdfd_seg.utils.paths import configs_dir, method_file, method_names, resolve_run

ROOT = Path(__file__).parent.parent / "configs"
BENCHMARKS = sorted(path.stem for path in ROOT.glob("benchmarks/*.py"))
RESULTS = sorted(ROOT.glob("results/*.py"))

fromfile = cache(Config.fromfile)


@cache
def protocol_of(benchmark):
    return build_protocol(fromfile(ROOT / f"benchmarks/{benchmark}.py").protocol)


@cache
def fits(method, benchmark):
    """Whether a method is for a benchmark's problem, and accepts its protocol."""
    cfg = fromfile(ROOT / f"methods/{method}/default.py").method
    if protocol_of(benchmark).problem not in METHODS.get(cfg.type).problems:
        return False
    try:
        build_method(cfg).check(protocol_of(benchmark))
    except InputError:
        return False
    return True


@pytest.fixture(autouse=True)
def clone(stack):
    assert configs_dir() == ROOT


@cache
def columns(model: str, sizes: tuple[int, ...]) -> tuple[int, int]:
    """Columns of the logits, and of those of every row; many benchmarks share one network."""
    set_up()
    network, _ = build_network(json.loads(model), sizes)
    with torch.no_grad():
        outputs = adapter_of(network.eval(), "class").outputs(torch.zeros(1, 3, 64, 64))
    return outputs.logits.shape[1], outputs.all_logits.shape[1]


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_benchmark_builds_and_is_what_its_name_says(benchmark):
    settings = load_run(benchmark, "finetune")
    assert settings.name == f"finetune_{benchmark}"
    last = len(settings.protocol.tasks) - 1
    model = settings.for_step(last).model.to_dict()
    loss = model.get("decode_head", {}).pop("loss_decode", None)
    if model["data_preprocessor"].get("size") == (512, 512):
        # A mean over all pixels, as in the code of PLOP and RCIL.
        assert loss["avg_non_ignore"] is False
    sizes = tuple(settings.protocol.task_sizes(last))
    classes = settings.protocol.num_classes(last)
    rows = 4 if model.get("rotations") else 1
    assert benchmark.endswith("-rot") == (rows == 4)
    assert columns(json.dumps(model, sort_keys=True), sizes) == (classes, rows * classes)
    assert classes == len(settings.protocol.label_names)
    protocol = settings.protocol
    data, split = benchmark.removesuffix("-rot").split("_")[:2]
    assert data.split("-")[0] == protocol.dataset.lower()
    if protocol.problem == "segmentation":
        literature = {"11-5": "10-5", "11-1": "10-1"} if protocol.dataset == "VOC" else {}
        assert literature.get(split, split) == protocol.name
    else:
        assert int(split) == len(protocol.tasks)
        assert data.split("-")[1] in (protocol.scenario, "small")


def test_every_pair_composes():
    """All whose problem fits: no key in both, and a method that accepts the protocol."""
    count = 0
    for benchmark in BENCHMARKS:
        config = fromfile(ROOT / f"benchmarks/{benchmark}.py")
        assert not {"method", "method_name"} & set(config), benchmark
        for method in method_names():
            if not fits(method, benchmark):
                continue
            path, fragment = resolve_run(benchmark, method)
            own = fromfile(fragment or path)
            if fragment:
                assert not set(own) & set(config) and set(own) <= {"method", "method_name"}
            build_method(own.method).check(protocol_of(benchmark))
            count += 1
    assert count > 400


def test_what_is_published_has_a_benchmark_that_composes():
    """For every figure of the metafiles, the split as the literature names it."""
    prefixes = {"Pascal VOC 2012": "voc_{}", "ADE20K": "ade20k_{}", "Cityscapes": "cityscapes_{}"}
    missing, count = set(), 0
    for path in sorted(ROOT.glob("methods/*/metafile.yml")):
        (collection,) = yaml.safe_load(path.read_text())["Collections"]
        for entry in collection["Metadata"].get("Published Results (not run here)", []):
            split, _, kind = entry["Protocol"].partition(", ")
            if entry["Dataset"] not in prefixes:
                continue
            try:
                benchmark, fragment = resolve_run(
                    prefixes[entry["Dataset"]].format(split), path.parent.name
                )
            except InputError:
                missing.add(f"{entry['Dataset']} {split}")
                continue
            settings = load_run(benchmark, fragment and path.parent.name)
            assert settings.config.method.type == collection["Metadata"]["Method"]
            settings.method().check(settings.protocol)
            assert kind in ("disjoint", settings.protocol.setting, "domain-incremental")
            count += 1
    # Sequences of SSUL's alone.
    assert missing == {"Pascal VOC 2012 5-1", "Pascal VOC 2012 2-1"}
    assert count > 100


def test_benchmarks_name_imagenet_weights_of_their_backbone():
    """Those of data sets of photographs; in MMEngine's tables, so nothing is fetched."""
    for benchmark in BENCHMARKS:
        config = fromfile(ROOT / f"benchmarks/{benchmark}.py")
        backbone = config.model.backbone
        if config.protocol.type not in ("VOC", "Cityscapes", "CamVid", "ADE20K"):
            assert "init_cfg" not in backbone, benchmark
            continue
        transformers = {"MixVisionTransformer": "mit_b[02]", "SwinTransformer": "swin_tiny"}
        default = f"resnet{backbone.depth}_v1c" if "depth" in backbone else "mobilenet_v2"
        network = transformers.get(backbone.type.rpartition(".")[2], default)
        url = weights_url(backbone.init_cfg.checkpoint)
        assert re.match(rf"{network}(_.*)?-[0-9a-f]{{8}}\.pth$", url.rpartition("/")[2]), benchmark


@pytest.mark.parametrize("path", RESULTS, ids=lambda p: p.stem)
def test_a_result_is_its_benchmark_and_its_method(path):
    """It inherits what ``--method`` would take, and is what ``--method`` and its name mean."""
    method, _, benchmark = path.stem.partition("_")
    assert resolve_run(benchmark, method) == resolve_run(path.stem) == (path, None)
    line = next(line for line in path.read_text().splitlines() if line.startswith("_base_"))
    bases = [(path.parent / base).resolve() for base in ast.literal_eval(line.partition("= ")[2])]
    assert bases == [ROOT / f"benchmarks/{benchmark}.py", method_file(method, benchmark)]
    assert load_run(path.stem).name == path.stem


@pytest.mark.parametrize(
    ("name", "method", "benchmark", "fragment"),
    [
        # The literature's names.
        ("voc_10-5", None, "benchmarks/voc_11-5", None),
        ("configs/benchmarks/voc_10-5.py", None, "benchmarks/voc_11-5", None),
        ("rcil_voc_10-1", None, "results/rcil_voc_11-1", None),
        ("voc-small_10-1", "mib", "benchmarks/voc-small_11-1", "mib/default"),
        # The longest prefix wins, at a boundary.
        ("cifar100-class_10-rot", "vdfd",
         "benchmarks/cifar100-class_10-rot", "vdfd/cifar100-class"),
        ("cifar100-task_20-rot", "vdfd",
         "benchmarks/cifar100-task_20-rot", "vdfd/cifar100-task_20"),
        ("voc_15-1", "vdfd-plus", "benchmarks/voc_15-1", "vdfd-plus/voc"),
        ("voc-small_11-5_v3plus", "plop", "benchmarks/voc-small_11-5_v3plus", "plop/voc-small"),
        ("digits-task_5", "lwf", "benchmarks/digits-task_5", "lwf/digits"),
        ("digitscenes_4-3", "lwf", "benchmarks/digitscenes_4-3", "lwf/default"),
    ],
)  # fmt: skip
def test_files_that_a_name_means(name, method, benchmark, fragment):
    expected = ROOT / f"{benchmark}.py", fragment and ROOT / f"methods/{fragment}.py"
    assert resolve_run(name, method) == expected


@pytest.mark.parametrize(
    ("config", "method", "message"),
    [
        ("voc_11-5", "rcill", "unknown method 'rcill'.*rcil"),
        ("voc_11-6", "mib", "Did you mean .*voc_11-5"),
        ("mib_voc_11-6", None, "Did you mean .*voc_11-5"),
        ("cityscapes_10-5", "mib", "does not exist"),
        ("voc_11-5", None, "'method' is missing. Add --method NAME, one of barm, dfd"),
        ("results/plop_voc_11-1", "mib", "a key 'method' of its own.*leave out --method"),
    ],
)
def test_names_that_are_refused(config, method, message):
    with pytest.raises(InputError, match=message):
        load_run(config, method)


def test_options_of_the_method_and_of_the_config():
    options = ["--cfg-options", "seed=3", "method.images=7"]
    arguments = ["digits-task_5", "--method", "vdfd", "weight=2", *options]
    settings = settings_of(train.parser().parse_args(arguments))
    method = settings.config.method
    assert (method.weight, method.images, settings.config.seed) == (2, 7, 3)
