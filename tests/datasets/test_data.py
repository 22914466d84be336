"""What holds for the data of every problem: validation images, fingerprints, excerpts, views."""

from itertools import islice

import pytest
import torch
from torch.utils.data import DataLoader

from vdfd_seg.datasets import data as data_module
from vdfd_seg.datasets.data import in_validation, subsample
from vdfd_seg.errors import InputError

SHARE = 0.35
SEED, VIEWS = 5, 2
PIPELINE = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "RandomCrop", "crop_size": (16, 16)},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PackSegInputs"},
]


@pytest.fixture(params=["segmentation", "class", "task"])
def make(request, tiny_data, tiny_classification):
    """Three tasks of segmentation, or of classification in one of its scenarios."""
    if request.param == "segmentation":
        return tiny_data
    return lambda **rules: tiny_classification(request.param, each=12, **rules)


def images(samples):
    return {sample.image for sample in samples}


class TestValidation:
    @pytest.mark.parametrize("evaluate_on", ["validation", "test"])
    def test_held_out_images_are_never_trained_on(self, make, evaluate_on):
        data, whole = make(evaluate_on=evaluate_on, validation=SHARE), make()
        held = set()
        for step in range(3):
            trained = set(data.train_images(step))
            out = set(data.validation_images(step))
            held |= out
            assert trained | out == images(whole.train_samples(step))
            assert images(data.train_samples(step)) == trained
            # What is evaluated.
            if evaluate_on == "validation":
                assert images(data.test_samples(step)) == held
            else:
                assert data.test_samples(step) == whole.test_samples(step)
        assert held
        assert not images(data.cumulative_samples(2)) & held
        part = "train" if evaluate_on == "validation" else "test"
        assert data.evaluate_on_part == part
        assert data.evaluation_source is data.source(part) is getattr(data, part)

    @pytest.mark.parametrize(
        ("part", "rules", "message"),
        [
            ("validation", {}, "needs protocol.validation"),
            ("tests", {}, "unknown evaluate_on 'tests'. Did you mean 'test'"),
            ("validation", {"validation": 0.0005}, "no validation images in '"),
        ],
    )
    def test_refused(self, make, part, rules, message):
        with pytest.raises(InputError, match=message):
            make(evaluate_on=part, **rules)


class TestHeldOut:
    NAMES = [f"2008_{i:06d}" for i in range(2000)]

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
    def test_share_is_about_what_was_asked_for(self, share):
        found = in_validation(self.NAMES, share)
        # Five standard deviations of a binomial of 2000.
        assert abs(found.mean() - share) <= 5 * (share * (1 - share) / 2000) ** 0.5
        # What a smaller share holds out, a larger one holds out, too.
        assert (found <= in_validation(self.NAMES, share + 0.2)).all()

    def test_an_image_stays_where_it_is_when_others_come_or_go(self):
        whole = dict(zip(self.NAMES, in_validation(self.NAMES, 0.2), strict=True))
        part = self.NAMES[3::7][::-1] + ["new"]
        again = dict(zip(part, in_validation(part, 0.2), strict=True))
        assert all(again[name] == whole[name] for name in part[:-1])

    def test_places_never_change(self):
        # A later version that moved images would silently train on tuning data.
        assert in_validation(["a", "b", "c", "d", "e", "f"], 0.25).tolist() == [
            False, True, True, True, True, True]  # fmt: skip


def test_fingerprints_tell_evaluation_apart(make):
    settings = ({}, {"validation": SHARE}, {"validation": SHARE, "evaluate_on": "validation"})
    prints = [make(**each).fingerprint for each in settings]
    assert len(set(prints)) == 3
    assert make().fingerprint == prints[0]


def test_an_excerpt_trains_on_a_few_images_a_step(make):
    data = make()
    few = data.excerpt(2)
    for step in range(3):
        assert len(few.train_samples(step)) == 2
        assert set(few.train_samples(step)) <= set(data.train_samples(step))
        union = set().union(*(images(few.train_samples(s)) for s in range(step + 1)))
        assert images(few.cumulative_samples(step)) == union
        assert few.test_samples(step) == data.test_samples(step)
    assert data.excerpt(1000).train_samples(1) == data.train_samples(1)


def test_a_subsample_is_spread_over_the_samples():
    assert subsample(list(range(10)), 4) == [0, 2, 5, 7]
    assert subsample([1, 2], None) == subsample([1, 2], 3) == [1, 2]


class TestViews:
    """Training draws the augmented views that a pass over views shows."""

    def test_of_segmentation(self, tiny_data):
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

    def test_of_classification(self, tiny_classification, tiny_classifier, monkeypatch):
        data = tiny_classification()
        samples = data.train_samples(0)
        preprocess = tiny_classifier([2]).data_preprocessor
        assert preprocess.crop_padding
        shown, numbers = {}, []
        for rank in range(3):
            monkeypatch.setattr(data_module, "get_dist_info", lambda rank=rank: (rank, 3))
            for batch in data.views(samples, {"batch_size": 3}, SEED, VIEWS):
                views = preprocess(batch, training=True)["inputs"]
                numbers += batch["data_samples"].draws.tolist()
                shown.update(zip(batch["data_samples"].draws.tolist(), views, strict=True))
        assert sorted(numbers) == list(range(len(samples) * VIEWS))
        # Two views of an image differ.
        assert any(not torch.equal(shown[2 * i], shown[2 * i + 1]) for i in range(len(samples)))
        seen = set()
        for batch in islice(data.train_loader(samples, {"batch_size": 4}, SEED, 0, VIEWS), 6):
            views = preprocess(batch, training=True)["inputs"]
            for draw, image in zip(batch["data_samples"].draws.tolist(), views, strict=True):
                assert torch.equal(image, shown[draw])
                seen.add(draw)
        assert seen == set(shown)
