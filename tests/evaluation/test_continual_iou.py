import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.registry import DefaultScope
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.structures import SegDataSample
from PIL import Image

from vdfd_seg.evaluation import ContinualIoU, confusion_matrix
from vdfd_seg.evaluation.functional import mean_iou

CLASSES = ("background", "one", "two")


def sample(prediction, label, **metainfo):
    data = SegDataSample(metainfo=metainfo)
    data.pred_sem_seg = PixelData(data=torch.as_tensor(prediction)[None])
    data.gt_sem_seg = PixelData(data=torch.as_tensor(label)[None])
    return data.to_dict()


def random_samples(count, **metainfo):
    rng = np.random.default_rng(count)
    samples = []
    for index in range(count):
        prediction, label = rng.integers(0, 3, (2, 8, 9 + index))
        label[0, 0] = 255
        samples.append(sample(prediction, label, img_path=f"/data/im{index}.jpg", **metainfo))
    return samples


def evaluate(metric, samples):
    metric.dataset_meta = {"classes": CLASSES}
    for one in samples:
        metric.process({}, [one])
    return metric.evaluate(len(samples))


def test_runs_in_an_evaluator_of_mmseg_scope():
    with DefaultScope.overwrite_default_scope("mmseg"):
        evaluator = Evaluator([{"type": "vdfd_seg.ContinualIoU"}])
    evaluator.dataset_meta = {"classes": CLASSES}
    samples = [SegDataSample(metainfo={"task": index}) for index in (0, 1)]
    for one in samples:
        one.pred_sem_seg = PixelData(data=torch.tensor([[[0, 1]]]))
        one.gt_sem_seg = PixelData(data=torch.tensor([[[0, 2]]]))
    evaluator.process(samples)
    assert evaluator.evaluate(2) == {"mIoU": pytest.approx(50.0)}
    assert list(evaluator.metrics[0].confusions) == [0, 1]


def test_equals_mmseg():
    samples = random_samples(5)
    found = evaluate(ContinualIoU(), samples)
    expected = evaluate(IoUMetric(), samples)
    assert found["mIoU"] == pytest.approx(expected["mIoU"], abs=0.01)


def test_returns_scalars_only_and_keeps_matrices_per_task():
    first, second = random_samples(2, task=0), random_samples(3, task=4)
    metric = ContinualIoU()
    found = evaluate(metric, first + second)
    assert set(found) == {"mIoU"}
    assert list(metric.confusions) == [0, 4]
    for task, samples in ((0, first), (4, second)):
        expected = sum(
            confusion_matrix(
                one["pred_sem_seg"]["data"].numpy(), one["gt_sem_seg"]["data"].numpy(), 3
            )
            for one in samples
        )
        assert np.array_equal(metric.confusions[task], expected)
    assert found["mIoU"] == pytest.approx(mean_iou(sum(metric.confusions.values())))


def test_second_evaluation_starts_afresh():
    metric = ContinualIoU(prefix="test")
    samples = random_samples(2)
    first = evaluate(metric, samples)
    counted = metric.confusions[0].sum()
    assert evaluate(metric, samples) == first
    assert set(first) == {"test/mIoU"}
    assert metric.confusions[0].sum() == counted


def test_padded_images_are_dropped():
    samples = random_samples(3)
    metric = ContinualIoU()
    metric.dataset_meta = {"classes": CLASSES}
    metric.process({}, samples + samples[:1])
    metric.evaluate(3)
    assert metric.confusions[0].sum() == sum(8 * (9 + index) - 1 for index in range(3))


def test_writes_predictions_as_class_indices(tmp_path):
    samples = random_samples(2)
    evaluate(ContinualIoU(output_dir=tmp_path / "predictions"), samples)
    for index, one in enumerate(samples):
        with Image.open(tmp_path / "predictions" / f"im{index}.png") as image:
            written = np.array(image)
        assert np.array_equal(written, one["pred_sem_seg"]["data"][0].numpy())


def test_unknown_average_is_refused():
    with pytest.raises(ValueError, match="average"):
        ContinualIoU(average="macro")
