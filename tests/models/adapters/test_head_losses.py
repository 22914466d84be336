"""Losses of images that count differently: MMSegmentation's of each image, times its weight."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import FCNHead
from mmseg.structures import SegDataSample

from tests.kernels import Kernels
from vdfd_seg.models.adapters.head_losses import head_losses

PLAIN = {"type": "CrossEntropyLoss"}
UNBIASED = {"type": "vdfd_seg.UnbiasedCrossEntropyLoss"}
TOGETHER = {
    "over all pixels": {**PLAIN, "avg_non_ignore": False},
    "over labelled": {**PLAIN, "avg_non_ignore": True, "loss_weight": 0.4},
    "unbiased": {**UNBIASED, "avg_non_ignore": True},
    "two of a name": [{**PLAIN, "avg_non_ignore": True}, {**PLAIN, "loss_weight": 3.0}],
}
ONE_BY_ONE = {
    "class weights": {**PLAIN, "class_weight": [1.0, 2.0, 0.5]},
    "another kind": [PLAIN, {"type": "DiceLoss"}],
}


def given(loss, images=4):
    """A head, logits, labels of which one image has none, and weights."""
    torch.manual_seed(0)
    head = FCNHead(in_channels=3, channels=3, num_classes=3, num_convs=0, loss_decode=loss)
    logits = torch.randn(images, 3, 5, 4, requires_grad=True)
    samples = []
    for labels in torch.randint(0, 3, (images, 1, 10, 8)):
        labels[:, :2] = 255
        samples.append(SegDataSample(gt_sem_seg=PixelData(data=labels)))
    samples[1].gt_sem_seg.data[:] = 255
    return head, logits, samples, torch.rand(images)


@pytest.mark.filterwarnings("ignore:Default ``avg_non_ignore``")
@pytest.mark.parametrize(
    "loss", [*TOGETHER.values(), *ONE_BY_ONE.values()], ids=[*TOGETHER, *ONE_BY_ONE]
)
def test_are_those_of_each_image_times_its_weight(loss):
    head, logits, samples, weights = given(loss)
    found = head_losses(head, logits, samples, weights)
    images = [head.loss_by_feat(logits[i : i + 1], [one]) for i, one in enumerate(samples)]
    assert set(found) == set(images[0])
    for name, value in found.items():
        each = torch.stack([image[name] for image in images])
        expected = (weights * each if "loss" in name else each).mean(0)
        torch.testing.assert_close(value, expected, rtol=1e-6, atol=1e-6)
        if "loss" in name:
            ours, theirs = (
                torch.autograd.grad(each, logits, retain_graph=True) for each in (value, expected)
            )
            torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-8)


@pytest.mark.filterwarnings("ignore:Default ``avg_non_ignore``")
@pytest.mark.parametrize("loss", TOGETHER.values(), ids=TOGETHER)
def test_cross_entropies_take_as_many_operations_for_any_number_of_images(loss):
    counts = []
    for images in (2, 12):
        batch = given(loss, images)
        with Kernels() as kernels:
            losses = head_losses(*batch)
        counts.append(len(kernels.names))
        assert losses["loss_ce"].isfinite()
    assert counts[0] == counts[1]
