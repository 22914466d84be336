"""Training draws the augmented views that a pass over views shows."""

from itertools import islice

import torch
from torch.utils.data import DataLoader

PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "RandomCrop", "crop_size": (16, 16)},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackSegInputs"},
]
SEED, VIEWS = 5, 2


def test_of_segmentation(tiny_data):
    data = tiny_data()
    samples = data.train_samples(0)
    cfg = {"batch_size": 2, "dataset": {"pipeline": PIPELINE}}
    shown = {}
    for batch in data.views(samples, cfg, SEED, VIEWS):
        for image, sample in zip(batch["inputs"], batch["data_samples"], strict=True):
            shown[sample.draw] = image, sample.gt_sem_seg.data
    assert sorted(shown) == list(range(len(samples) * VIEWS))
    drawn = data.train_loader(samples, cfg, SEED, 0, VIEWS)
    loader = DataLoader(drawn["dataset"], sampler=drawn["sampler"], batch_size=None)
    loader.collate_fn = lambda item: item
    seen = set()
    for item in islice(loader, 3 * len(samples)):
        sample = item["data_samples"]
        image, labels = shown[sample.draw]
        assert torch.equal(item["inputs"], image)
        assert torch.equal(sample.gt_sem_seg.data, labels)
        seen.add(sample.draw)
    assert seen == set(shown)


def test_of_classification(tiny_classification, tiny_classifier):
    data = tiny_classification()
    samples = data.train_samples(0)
    preprocess = tiny_classifier([2]).data_preprocessor
    assert preprocess.crop_padding
    shown = {}
    for batch in data.views(samples, {"batch_size": 3}, SEED, VIEWS):
        images = preprocess(batch, training=True)["inputs"]
        shown.update(zip(batch["data_samples"].draws.tolist(), images, strict=True))
    assert sorted(shown) == list(range(len(samples) * VIEWS))
    # Two views of an image differ.
    assert any(not torch.equal(shown[2 * i], shown[2 * i + 1]) for i in range(len(samples)))
    seen = set()
    for batch in islice(data.train_loader(samples, {"batch_size": 4}, SEED, 0, VIEWS), 6):
        images = preprocess(batch, training=True)["inputs"]
        for draw, image in zip(batch["data_samples"].draws.tolist(), images, strict=True):
            assert torch.equal(image, shown[draw])
            seen.add(draw)
    assert seen == set(shown)
