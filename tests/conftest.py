"""Data sets, networks and finished runs small enough to share between tests."""

import copy
import gc
import importlib
import json
import os
import platform
import re
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from tests.tiny import Interrupted, changed, tiny_config, write_config, write_scenes
from vdfd_seg.cli import run_command

CLASSES = ("background", "a", "b", "c")
TASKS = (("background", "a"), ("b",), ("c",))
SCENES = {
    "train": {"t0": [1], "t1": [1, 2], "t2": [2], "t3": [2, 3], "t4": [3], "t5": [1, 3],
              "t6": [1], "t7": [2], "t8": [3], "t9": [3, 1, 2]},
    "val": {"v0": [1], "v1": [2, 1], "v2": [3], "v3": [3, 2]},
}  # fmt: skip
"""Classes of each image of the tiny data set."""


def pytest_terminal_summary(terminalreporter):
    """The processor, so that a log says what it proved."""
    import torch

    about = Path("/proc/cpuinfo")
    found = about.is_file() and re.search(r"^model name\s*: (.*)$", about.read_text(), re.M)
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "all of it")
    terminalreporter.write_line(
        f"processor: {found[1] if found else platform.machine()}, "
        f"PyTorch {torch.__version__} with {torch.backends.cpu.get_cpu_capability()}, "
        f"oneDNN with {most}"
    )


@pytest.fixture
def command(monkeypatch):
    """Put a command of the test's own in the place of ``vdfd_seg train``."""

    def install(main):
        module = ModuleType("vdfd_seg.cli.train")
        module.main = main
        monkeypatch.setitem(sys.modules, "vdfd_seg.cli.train", module)

    return install


@pytest.fixture(scope="session")
def registered_modules():
    """mmsegmentation's modules and default scope, as every tool sets them up."""
    from vdfd_seg.engine.run.environment import set_up

    set_up()


@pytest.fixture(scope="session")
def tiny_root(tmp_path_factory):
    """The tiny data set in VOC's layout: 24x24 images of noise, classes in quarters."""
    root = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    for folder in ("JPEGImages", "SegmentationClass", "lists"):
        (root / folder).mkdir()
    for split, scenes in SCENES.items():
        for name, classes in scenes.items():
            image = rng.integers(0, 256, (24, 24, 3)).astype(np.uint8)
            mask = np.zeros((24, 24), dtype=np.uint8)
            for quarter, value in enumerate(classes):
                row, column = 12 * (quarter // 2), 12 * (quarter % 2)
                mask[row : row + 10, column : column + 10] = value
            mask[-1] = 255
            Image.fromarray(image).save(root / "JPEGImages" / f"{name}.png")
            Image.fromarray(mask).save(root / "SegmentationClass" / f"{name}.png")
        (root / "lists" / f"{split}.txt").write_text("".join(f"{name}\n" for name in scenes))
    return root


@pytest.fixture(scope="session")
def tiny_dataset_cfg(tiny_root, registered_modules):
    """Config of a split of the tiny data set."""

    def make(split, root=tiny_root, **changes):
        return {
            "type": "BaseSegDataset",
            "data_root": str(root),
            "data_prefix": {"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"},
            "img_suffix": ".png",
            "ann_file": f"lists/{split}.txt",
            **changes,
        }

    return make


@pytest.fixture(scope="session")
def tiny_protocol():
    """A protocol of three tasks over the tiny data set."""
    from vdfd_seg.protocols import build_protocol

    def make(**rules):
        return build_protocol({"type": "Custom", "classes": CLASSES, "tasks": TASKS, **rules})

    return make


@pytest.fixture(scope="session")
def tiny_data(tiny_dataset_cfg, tiny_protocol, tmp_path_factory):
    """The tiny data set bound to a protocol."""
    from vdfd_seg.datasets import SegmentationData, open_source

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VDFD_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        sources = [
            open_source(tiny_dataset_cfg(split), tiny_protocol(), progress=False)
            for split in ("train", "val")
        ]

    def make(evaluate_on="test", **rules):
        return SegmentationData(tiny_protocol(**rules), *sources, evaluate_on)

    return make


BACKBONES = {
    "resnet": (
        dict(type="ResNetV1c", depth=18, base_channels=4, stem_channels=4, num_stages=4,
             out_indices=(0, 1, 2, 3), strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
             norm_cfg=dict(type="BN"), contract_dilation=True),
        (4, 8, 16, 32),
    ),
    "mobilenet": (
        dict(type="MobileNetV2", widen_factor=0.25, strides=(1, 2, 2, 1, 1, 1, 1),
             dilations=(1, 1, 1, 2, 2, 4, 4), out_indices=(1, 2, 4, 6), norm_cfg=dict(type="BN")),
        (8, 8, 24, 80),
    ),
}  # fmt: skip


@pytest.fixture(scope="session")
def loaded_studies(stack):
    """The methods of ``tools/studies`` by name; they are not registered."""
    from vdfd_seg.registry import METHODS

    known = dict(METHODS.module_dict)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(Path(__file__).resolve().parents[1] / "tools/studies"))
        for name in ("controls", "held", "trials"):
            importlib.import_module(name)
    found = {k: v for k, v in METHODS.module_dict.items() if k not in known}
    for name in found:
        del METHODS.module_dict[name]
    return found


@pytest.fixture
def study_methods(loaded_studies, monkeypatch):
    """Register the studies' methods, as ``tools/studies/run.py`` does, for one test."""
    from vdfd_seg.registry import METHODS

    for name, method in loaded_studies.items():
        monkeypatch.setitem(METHODS.module_dict, name, method)


@pytest.fixture(scope="session")
def network_cfg(registered_modules):
    """Config of a tiny DeepLab."""

    def make(num_classes=3, backbone="resnet", head="ASPPHead", auxiliary=0, loss=None, **changes):
        body, channels = BACKBONES[backbone]
        loss = loss or dict(type="CrossEntropyLoss")
        common = dict(num_classes=num_classes, norm_cfg=dict(type="BN"), align_corners=False,
                      loss_decode=loss)  # fmt: skip
        decode = dict(type=head, in_channels=channels[3], in_index=3, channels=8,
                      dilations=(1, 2), dropout_ratio=0.1, **common)  # fmt: skip
        if head == "DepthwiseSeparableASPPHead":
            decode.update(c1_in_channels=channels[0], c1_channels=4)
        heads = [
            dict(type="FCNHead", in_channels=channels[2 - i], in_index=2 - i, channels=6,
                 num_convs=1, dropout_ratio=0.1, **common)
            for i in range(auxiliary)
        ]  # fmt: skip
        return dict(
            type="EncoderDecoder",
            data_preprocessor=dict(type="SegDataPreProcessor", mean=[127.0] * 3, std=[60.0] * 3,
                                   bgr_to_rgb=True, pad_val=0, seg_pad_val=255, size=(32, 32)),
            backbone=body,
            decode_head={**decode, **changes},
            auxiliary_head=(heads if auxiliary > 1 else heads[0]) if heads else None,
            train_cfg={},
            test_cfg=dict(mode="whole"),
        )  # fmt: skip

    return make


@pytest.fixture(scope="session")
def tiny_network(network_cfg):
    """Build a tiny DeepLab with seeded weights."""
    import torch

    from vdfd_seg.engine.networks import build_network

    built = {}

    def make(num_classes=3, seed=0, **settings):
        key = repr((num_classes, seed, settings))
        if key not in built:
            torch.manual_seed(seed)
            built[key] = build_network(network_cfg(num_classes, **settings), num_classes)[0]
        return copy.deepcopy(built[key])

    return make


@pytest.fixture(scope="session")
def make_batch(registered_modules):
    """Random images and data samples with labels in [0, num_classes) and some ignored."""
    import torch
    from mmengine.structures import PixelData
    from mmseg.structures import SegDataSample

    def make(num_classes=3, count=2, size=32, seed=0):
        generator = torch.Generator().manual_seed(seed)
        inputs = torch.randn(count, 3, size, size, generator=generator)
        samples = []
        for _ in range(count):
            labels = torch.randint(num_classes, (1, size, size), generator=generator)
            labels[:, :2] = 255
            meta = {"ori_shape": (size, size), "img_shape": (size, size), "pad_shape": (size, size)}
            sample = SegDataSample(metainfo=meta)
            sample.gt_sem_seg = PixelData(data=labels)
            samples.append(sample)
        return inputs, samples

    return make


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """On tensors this small threads only wait for each other, and runs that are compared bit for
    bit must add in the same order."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def image_limit(monkeypatch):
    """What a test makes of Pillow's limit ends with it."""
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.fixture(scope="session", autouse=True)
def index_cache(tmp_path_factory):
    """The class index is cached in a folder of this test session, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VDFD_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """Root of the tiny data set; not to be written to."""
    return write_scenes(tmp_path_factory.mktemp("data") / "rectangles")


@pytest.fixture(scope="session")
def config_file(scenes, tmp_path_factory):
    """Write a config: the tiny one with changes at dotted keys."""

    def make(changes: dict | None = None, base: dict | None = None) -> Path:
        config = changed(base or tiny_config(scenes), changes or {})
        return write_config(tmp_path_factory.mktemp("config") / "tiny.py", config)

    return make


@pytest.fixture(scope="session")
def stack():
    """Everything is imported, and its objects are put aside.

    MMEngine collects garbage whenever a data set is built: half a second with all of the
    modules' objects.
    """
    import vdfd_seg.engine
    import vdfd_seg.visualization  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def train(stack, config_file, tmp_path_factory):
    """Run ``vdfd_seg train`` in this process, which must succeed.

    Called with arguments of the command; ``config`` are changes at dotted keys, ``work_dir``
    is made where none is given. Returns the work dir, the config file and the results.
    """

    def run(*arguments, config=None, file=None, work_dir=None) -> SimpleNamespace:
        file = file or config_file(config)
        work_dir = work_dir or tmp_path_factory.mktemp("run") / "work"
        given = [str(file), "--work-dir", str(work_dir), *map(str, arguments)]
        assert run_command("train", given) == 0
        results = json.loads((work_dir / "results.json").read_text())
        return SimpleNamespace(path=work_dir, file=file, results=results)

    return run


@pytest.fixture
def refused(capfd, stack):
    """Run a command that must be refused; returns its message in one line."""

    def run(command, *arguments):
        assert run_command(command, list(map(str, arguments))) == 2
        error = capfd.readouterr().err
        assert "\nvdfd_seg: error: " in f"\n{error}"
        assert error.count("vdfd_seg: error:") == 1
        assert "Traceback" not in error
        return " ".join(error.split())

    return run


@pytest.fixture
def trained_steps(monkeypatch):
    """Numbers of the steps whose training began during the test."""
    from vdfd_seg.engine.run.step import StepTrainer

    steps, train = [], StepTrainer.train
    monkeypatch.setattr(
        StepTrainer, "train", lambda self, *rest: steps.append(self.step) or train(self, *rest)
    )
    return steps


@pytest.fixture(scope="session")
def interrupt(stack):
    """Run ``vdfd_seg train`` until iteration ``at`` of step ``step`` begins."""
    from vdfd_seg.engine.run.step import ResumableLoop

    def run(file, work_dir, step, at):
        done = ResumableLoop.run_iter

        def stopping(self, data_batch):
            if Path(self.runner.work_dir).name == f"step_{step:02d}" and self._iter == at:
                raise Interrupted
            return done(self, data_batch)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(ResumableLoop, "run_iter", stopping)
            with pytest.raises(Interrupted):
                run_command("train", [str(file), "--work-dir", str(work_dir)])

    return run


@pytest.fixture(scope="session")
def vdfd_run(train, tmp_path_factory):
    """A finished run of three tasks with VDFD, with the predictions of every test image."""
    predictions = tmp_path_factory.mktemp("predictions")
    run = train(config={"prediction_dir": str(predictions)})
    run.predictions = predictions
    return run


@pytest.fixture(scope="session")
def finetune_run(train):
    """A finished run of three tasks with fine-tuning."""
    return train(config={"method": {"type": "FineTune"}})


@pytest.fixture(scope="session")
def tiny_arrays():
    """Images of 8x8 pixels of ten classes, each class with a colour of its own."""
    from vdfd_seg.datasets import ImageArrays
    from vdfd_seg.protocols.digits import CLASSES as digits

    def make(each=4, seed=0, classes=digits):
        rng = np.random.default_rng(seed)
        labels = rng.permutation(np.repeat(np.arange(len(classes)), each))
        colours = np.random.default_rng(9).integers(0, 256, (len(classes), 1, 1, 3))
        noise = rng.integers(-40, 41, (len(labels), 8, 8, 3))
        images = np.clip(colours[labels] + noise, 0, 255).astype(np.uint8)
        return ImageArrays(images, labels, tuple(classes), "tiny")

    return make


@pytest.fixture(scope="session")
def tiny_classification(tiny_arrays):
    """Three tasks of two of the tiny images' ten classes."""
    from vdfd_seg.datasets import ClassificationData
    from vdfd_seg.protocols import build_protocol

    def make(scenario="task", evaluate_on="test", each=4, **rules):
        cfg = {"type": "Digits", "tasks": 3, "num_classes": 6, "scenario": scenario, **rules}
        arrays = tiny_arrays(each), tiny_arrays(3, seed=1)
        return ClassificationData(build_protocol(cfg), *arrays, evaluate_on)

    return make


@pytest.fixture(scope="session")
def tiny_classifier(registered_modules):
    """Build a tiny classifier with seeded weights."""
    import torch

    from vdfd_seg.models import ContinualClassifier

    def make(head_sizes=(2,), seed=0, **settings):
        torch.manual_seed(seed)
        return ContinualClassifier(
            backbone={"type": "vdfd_seg.PreActResNet", "depths": (1, 1), "widths": (4, 8)},
            data_preprocessor={"type": "vdfd_seg.ImageBatchPreprocessor", "crop_padding": 1},
            head_sizes=head_sizes,
            **settings,
        )

    return make
