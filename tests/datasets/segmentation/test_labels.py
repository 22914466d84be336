"""Whatever a data set or a pipeline does to labels: index, training and metric see the same."""

import shutil

import numpy as np
import pytest
import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import PixelData
from mmseg.registry import TRANSFORMS
from PIL import Image

from tests.tiny import CLASSES, tiny_config
from vdfd_seg.engine import load_run
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.run.evaluation import confusions_of_step
from vdfd_seg.engine.run.examples import write_examples
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import IGNORE_INDEX

VOC = ["background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus"]
LOAD = ["LoadImageFromFile", "LoadAnnotations"]
NO_BACKGROUND = {
    "protocol.classes": list(CLASSES[1:]),
    "protocol.tasks": [["green", "red"], ["gold", "blue"], ["pink", "cyan"]],
}


@TRANSFORMS.register_module()
class ReadOwnMask(BaseTransform):
    """A loader of one's own."""

    def transform(self, results):
        results["gt_seg_map"] = np.array(Image.open(results["seg_map_path"]))
        results["seg_fields"].append("gt_seg_map")
        return results


@TRANSFORMS.register_module()
class Exchange(BaseTransform):
    """Turns labels into another."""

    def __init__(self, old, new):
        self.old, self.new = old, new

    def transform(self, results):
        ids = results["gt_seg_map"]
        ids[np.isin(ids, self.old)] = self.new
        return results


def pipelines(*steps, part="both"):
    """Changes that set one or both pipelines."""
    given = [{"type": s} if isinstance(s, str) else s for s in (*steps, "PackSegInputs")]
    parts = ("train", "test") if part == "both" else (part,)
    return {f"{part}_dataloader.dataset.pipeline": given for part in parts}


def datasets(**keys):
    return {
        f"{part}_dataloader.dataset.{k}": v for part in ("train", "test") for k, v in keys.items()
    }


SAME = {
    "nothing": {},
    "zero reduced": {**NO_BACKGROUND, **datasets(reduce_zero_label=True)},
    "zero not reduced": pipelines("LoadImageFromFile",
                                  dict(type="LoadAnnotations", reduce_zero_label=False)),
    "other suffix": datasets(seg_map_suffix="_other.png"),
    "16 bits": datasets(data_prefix=dict(img_path="JPEGImages", seg_map_path="deep")),
    "grey, by OpenCV": {
        **datasets(data_prefix=dict(img_path="JPEGImages", seg_map_path="grey")),
        **pipelines(LOAD[0], dict(type="LoadAnnotations", imdecode_backend="cv2")),
    },
    "names of the data set's own": datasets(metainfo=dict(classes=list(CLASSES))),
    "a loader of one's own": pipelines(LOAD[0], "ReadOwnMask", "vdfd_seg.MaskLabels"),
}  # fmt: skip
"""Settings under which all see the same labels, which are ``labels_of`` the files'."""

REFUSED = {
    "zero reduced to the background": (datasets(reduce_zero_label=True), "reduce_zero_label"),
    "zero reduced in training alone": (
        {**NO_BACKGROUND, "train_dataloader.dataset.reduce_zero_label": True}, "id 6",
    ),
    "zero reduced by the pipeline": (
        pipelines(LOAD[0], dict(type="LoadAnnotations", reduce_zero_label=True)),
        "reduce_zero_label",
    ),
    "renumbered": (
        {"protocol.classes": VOC, "protocol.tasks": [VOC[:3], VOC[3:5], VOC[5:]],
         **datasets(type="PascalVOCDataset",
                    metainfo=dict(classes=["background", "bicycle", "aeroplane", *VOC[3:]]))},
        "metainfo.classes",
    ),
    "ignore_index of the data set": (datasets(ignore_index=0), "ignore_index=0"),
    "ignore_index of the head": (
        {"model.decode_head.ignore_index": 0}, "ASPPHead has ignore_index=0",
    ),
    "padding of the batch": (
        {"model.data_preprocessor.seg_pad_val": 0}, "SegDataPreProcessor has seg_pad_val=0",
    ),
    "crop": (pipelines(*LOAD, dict(type="RandomCrop", crop_size=(9, 9), ignore_index=0)),
             "RandomCrop has ignore_index=0"),
    "padding": (pipelines(*LOAD, dict(type="Pad", size=(99, 99), pad_val=dict(img=0, seg=3))),
                "Pad has pad_val.seg=3"),
    "rotation": (
        pipelines(*LOAD, dict(type="RandomChoice", transforms=[
            [dict(type="RandomRotate", prob=1.0, degree=9, seg_pad_val=0)]])),
        "RandomRotate has seg_pad_val=0",
    ),
    "holes": (pipelines(*LOAD, dict(type="RandomCutOut", prob=1.0, n_holes=1, seg_fill_in=2,
                                    cutout_ratio=(0.5, 0.5))), "seg_fill_in=2"),
    "colours": (pipelines(LOAD[0], dict(type="LoadAnnotations", imdecode_backend="cv2")),
                "pipeline"),
    "an unmasked loader": (pipelines(LOAD[0], "ReadOwnMask"), "MaskLabels"),
    "changed before": (
        pipelines(*LOAD, dict(type="Exchange", old=[1], new=2), "vdfd_seg.MaskLabels"), "pipeline",
    ),
    "changed in training": (
        pipelines(*LOAD, dict(type="Exchange", old=[0, 1], new=5), part="train"),
        "train_dataloader.dataset.pipeline",
    ),
    "changed in testing": (
        pipelines(*LOAD, dict(type="Exchange", old=[1], new=0), part="test"),
        "test_dataloader.dataset.pipeline",
    ),
    "not packed": (
        {"train_dataloader.dataset.pipeline": [dict(type=name) for name in LOAD]}, "PackSegInputs",
    ),
    "no label": (pipelines("LoadImageFromFile"), "LoadAnnotations"),
}  # fmt: skip


@pytest.fixture(scope="module")
def root(scenes, tmp_path_factory):
    """The tiny data set, with its masks also in other forms, and next to them other masks."""
    root = tmp_path_factory.mktemp("labels") / "data"
    shutil.copytree(scenes, root)
    for folder in ("deep", "grey"):
        (root / folder).mkdir()
    for path in sorted((root / "SegmentationClass").iterdir()):
        ids = np.array(Image.open(path))
        Image.fromarray(ids).save(root / "grey" / path.name)
        Image.fromarray(ids.astype(np.uint16)).save(root / "deep" / path.name)
        other = np.where(ids == 1, 2, np.where(ids == 2, 1, ids)).astype(np.uint8)
        Image.fromarray(other).save(path.with_name(f"{path.stem}_other.png"))
    return root


@pytest.fixture
def opened(root, config_file, registered_modules):
    def run(changes):
        settings = load_run(config_file(changes, base=tiny_config(root)))
        return open_data(settings), settings.config

    return run


def stored(info, zero):
    """Pixels per id of a mask, as the protocol numbers classes."""
    counts = np.bincount(np.array(Image.open(info["seg_map_path"])).ravel(), minlength=256)
    if zero:
        counts = np.array([*counts[1:255], 0, counts[255] + counts[0]])
    return counts


class Truth(torch.nn.Module):
    """Predicts what the labels say; where they say nothing, the first class."""

    def test_step(self, batch):
        for sample in batch["data_samples"]:
            labels = sample.gt_sem_seg.data
            sample.pred_sem_seg = PixelData(data=labels * (labels != IGNORE_INDEX))
        return batch["data_samples"]


@pytest.mark.parametrize("case", SAME)
def test_index_training_metric_and_pictures_see_the_same(opened, case, tmp_path):
    data, config = opened(SAME[case])
    protocol, zero = data.protocol, case == "zero reduced"
    for source in (data.train, data.test):
        infos = [source.dataset.get_data_info(i) for i in range(len(source.dataset))]
        assert np.array_equal(source.counts, [stored(info, zero) for info in infos])
    for step in range(3):
        samples = data.train_samples(step)
        loading = config.train_dataloader.dataset.pipeline[:2]
        loading = [*loading, dict(type="vdfd_seg.MaskLabels"), dict(type="PackSegInputs")]
        for sample, item in zip(samples, data.dataset("train", samples, loading), strict=False):
            found = np.bincount(item["data_samples"].gt_sem_seg.data.numpy().ravel(), minlength=256)
            for label in protocol.task_labels(step):
                name = protocol.label_names[label]
                if name != protocol.background:
                    mask_id = protocol.classes.index(name)
                    assert found[label] == data.train.counts[sample.image, mask_id]
    samples = data.test_samples(2)
    rows = confusions_of_step(Truth(), data, 2, config.test_dataloader)[0].sum(1)
    tested = data.test.counts[[sample.image for sample in samples]].sum(0)
    order = [protocol.classes.index(name) for name in protocol.label_names]
    assert rows.tolist() == tested[order].tolist()
    write_examples(data, samples, tmp_path / "examples")
    shown = [np.array(Image.open(p)) for p in (tmp_path / "examples").glob("*.png")]
    found = sum(np.bincount(picture.ravel(), minlength=256) for picture in shown)
    assert found[: len(order)].tolist() == rows.tolist()


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_not_be_the_same_is_refused(opened, case):
    changes, word = REFUSED[case]
    with pytest.raises(InputError) as caught:
        opened(changes)
    assert word in str(caught.value)


def test_looking_changes_no_random_number(opened):
    np.random.seed(4)
    before = np.random.get_state()[1].tolist()
    opened({})
    assert np.random.get_state()[1].tolist() == before
