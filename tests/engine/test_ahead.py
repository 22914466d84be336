"""Batches brought ahead are the same, in the same order, and no more are drawn."""

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from vdfd_seg.datasets.classification.batches import LabelledImages
from vdfd_seg.engine.run.ahead import Ahead


def images(number):
    sample = SegDataSample(metainfo={"draw": number})
    sample.gt_sem_seg = PixelData(data=torch.full((1, 2, 2), number))
    return {"inputs": [torch.full((3, 2, 2), number)], "data_samples": [sample]}


def test_the_batches_are_those_of_the_iterator():
    happened = []

    def drawn():
        for number in range(9):
            happened.append(f"draw {number}")
            yield images(number)

    ahead = Ahead(drawn(), 3, "cpu", lambda samples: happened.append(samples[0].metainfo["draw"]))
    for number, batch in enumerate(ahead):
        happened.append(f"train {number}")
        assert batch["inputs"][0].unique().tolist() == [number]
        (sample,) = batch["data_samples"]
        assert sample.metainfo == {"draw": number}
        assert sample.gt_sem_seg.data.shape == (1, 2, 2)
        assert sample.gt_sem_seg.data.unique().tolist() == [number]
    expected = ["draw 0", 0, "draw 1", 1, "train 0", "draw 2", 2, "train 1", "train 2"]
    assert happened == expected


def test_batches_of_labelled_images_pass():
    batches = []
    for number in torch.arange(3).unsqueeze(1):
        samples = LabelledImages(number, number, draws=number)
        batches.append({"inputs": torch.full((1, 3, 2, 2), number.item()), "data_samples": samples})
    for given, found in zip(batches, Ahead(iter(batches), 3, "cpu", len), strict=True):
        assert torch.equal(found["inputs"], given["inputs"])
        assert torch.equal(found["data_samples"].labels, given["data_samples"].labels)
        assert torch.equal(found["data_samples"].draws, given["data_samples"].draws)
