"""Several processes count every test image exactly once, however uneven their shares."""

import shutil
from types import SimpleNamespace

import numpy as np
import torch
from PIL import Image
from torch import nn

from tests.fixtures.segmentation import CLASSES, TASKS
from tests.group import in_group
from vdfd_seg.datasets.classification.arrays import ImageArrays

PIPELINE = [{"type": name} for name in ("LoadImageFromFile", "LoadAnnotations", "PackSegInputs")]


class Guess(nn.Module):
    """Predicts the class of each pixel's brightness: most are wrong, in every cell.

    As a network does, it takes only images of one size together.
    """

    def __init__(self, classes):
        super().__init__()
        self.classes = classes

    def test_step(self, batch):
        from mmengine.structures import PixelData

        for image, sample in zip(torch.stack(batch["inputs"]), batch["data_samples"], strict=True):
            guess = image.float().mean(0, keepdim=True).long() % self.classes
            sample.pred_sem_seg = PixelData(data=guess)
        return batch["data_samples"]


def segment(root, step, batch_size):
    from vdfd_seg.datasets import SegmentationData, open_source
    from vdfd_seg.engine.run.environment import set_up
    from vdfd_seg.engine.run.evaluation import confusions_of_step
    from vdfd_seg.protocols import build_protocol

    set_up()
    protocol = build_protocol({"type": "Custom", "classes": CLASSES, "tasks": TASKS})
    dataset = {
        "type": "BaseSegDataset",
        "data_root": root,
        "data_prefix": {"img_path": "JPEGImages", "seg_map_path": "SegmentationClass"},
        "img_suffix": ".png",
    }
    sources = [
        open_source({**dataset, "ann_file": f"lists/{split}.txt"}, protocol, progress=False)
        for split in ("train", "val")
    ]
    data = SegmentationData(protocol, *sources)
    cfg = {"batch_size": batch_size, "num_workers": 0, "dataset": {"pipeline": PIPELINE}}
    learner = Guess(protocol.num_classes(step))
    found = confusions_of_step(learner, data, step, cfg, None)
    samples = data.test_samples(step)
    labelled = sum(int(sources[1].counts[s.image].sum()) for s in samples)
    return {
        "confusions": {task: matrix.tolist() for task, matrix in found.items()},
        "images": len(samples),
        "labelled": labelled,
    }


class Rank(nn.Module):
    """Scores of a classifier: the class follows from the image alone."""

    def __init__(self, classes):
        super().__init__()
        self.classes = classes
        self.adapter = SimpleNamespace(competing=lambda scores, samples: scores)

    def test_step(self, batch):
        brightness = torch.stack([image.float().sum() for image in batch["inputs"]]).long()
        return nn.functional.one_hot(brightness % self.classes, self.classes).float()


def classify(images, labels, folder):
    from vdfd_seg.datasets import ClassificationData
    from vdfd_seg.engine.run.evaluation import confusions_of_step
    from vdfd_seg.protocols import build_protocol
    from vdfd_seg.protocols.digits import CLASSES as digits

    cfg = {"type": "Digits", "tasks": 3, "num_classes": 6, "scenario": "class"}
    arrays = [ImageArrays(images, labels, tuple(digits), "tiny") for _ in range(2)]
    data = ClassificationData(build_protocol(cfg), *arrays, "test")
    found = confusions_of_step(Rank(4), data, 1, {"batch_size": 2, "dataset": {}}, folder)
    return {"confusions": found[0].tolist(), "images": len(data.test_samples(1))}


def test_segmentation(tiny_root, registered_modules, tmp_path):
    """Three test images, of which one of four processes has none."""
    one = segment(str(tiny_root), 1, 1)
    matrix = np.array(one["confusions"][0])
    assert one["images"] == 3 and matrix.sum() <= one["labelled"]
    assert (matrix > 0).sum() > matrix.shape[0]
    assert in_group(segment, 4, tmp_path, str(tiny_root), 1, 1) == [one] * 4


def test_images_of_several_sizes_share_batches(tiny_root, registered_modules, tmp_path):
    root = shutil.copytree(tiny_root, tmp_path / "root")
    for folder in ("JPEGImages", "SegmentationClass"):
        for path in sorted((root / folder).iterdir())[::2]:
            with Image.open(path) as image:
                image.crop((0, 0, 20, 24)).save(path)
    one, *several = [segment(str(root), 2, size) for size in (1, 3, 4)]
    assert one["labelled"] < segment(str(tiny_root), 2, 1)["labelled"]
    assert several == [one] * 2


def test_classification(tiny_arrays, tmp_path):
    arrays = tiny_arrays(3, seed=1)
    # Seven images of the four classes seen.
    seen = np.flatnonzero(arrays.labels < 4)[:7]
    kept = np.concatenate([seen, np.flatnonzero(arrays.labels >= 4)])
    images, labels = arrays.images[kept], arrays.labels[kept]
    one = classify(images, labels, tmp_path / "one")
    assert one["images"] == 7 == np.sum(one["confusions"])
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    found = in_group(classify, 4, meeting, images, labels, str(tmp_path / "several"))
    assert found == [one] * 4
    texts = [(tmp_path / name / "predictions.csv").read_text() for name in ("one", "several")]
    assert texts[0] == texts[1]
    assert len(texts[0].splitlines()) == 1 + 7
