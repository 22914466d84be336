"""Which images a step of classification trains on and is tested on, and under which labels."""

import numpy as np
import pytest
import torch

from vdfd_seg.datasets import ClassificationData
from vdfd_seg.datasets.data import Sample
from vdfd_seg.errors import InputError
from vdfd_seg.protocols import build_protocol
from vdfd_seg.protocols.digits import CLASSES

ORDER = ("seven", "two", "nine", "zero", "four", "one", "three", "five", "six", "eight")


def name_of(data, part, image):
    return CLASSES[data.source(part).labels[image]]


def test_labels_follow_the_order_in_which_classes_are_learned(tiny_classification):
    data = tiny_classification(order=ORDER)
    for part in ("train", "test"):
        for image, label in enumerate(data.labels[part]):
            name = name_of(data, part, image)
            expected = ORDER.index(name) if name in ORDER[:6] else 255
            assert label == expected


def test_each_step_trains_on_the_images_of_its_own_classes(tiny_classification):
    data = tiny_classification(order=ORDER)
    for step in range(3):
        own = ORDER[2 * step : 2 * step + 2]
        samples = data.train_samples(step)
        expected = [i for i in range(40) if name_of(data, "train", i) in own]
        assert samples == [Sample(i, (), step) for i in expected]
        assert len(samples) == 8
        assert data.class_counts(step) == dict.fromkeys(own, "4")


def test_tests_and_joint_training_cover_every_class_seen(tiny_classification):
    data = tiny_classification(order=ORDER)
    for step in range(3):
        seen = ORDER[: 2 * step + 2]
        found = {"train": data.cumulative_samples(step), "test": data.test_samples(step)}
        for part, samples in found.items():
            number = len(data.source(part))
            expected = [i for i in range(number) if name_of(data, part, i) in seen]
            assert [sample.image for sample in samples] == expected
            for sample in samples:
                assert name_of(data, part, sample.image) in data.protocol.tasks[sample.task].classes


def test_the_choice_for_validation_depends_on_the_image_alone(tiny_classification):
    settings = {"validation": 0.3, "num_classes": 10, "tasks": 1}
    chosen = tiny_classification("task", each=12, **settings).validation_images(0).tolist()
    other = tiny_classification("class", each=24, order=ORDER, **settings)
    assert sorted(i for i in other.validation_images(0) if i < 120) == sorted(chosen)


class TestPass:
    @pytest.mark.parametrize("size", [1, 4, 100])
    def test_reads_every_image_once_in_order(self, tiny_classification, size):
        data = tiny_classification(order=ORDER)
        samples = data.test_samples(1)
        batches = list(data.pass_over("test", samples, {"batch_size": size}))
        images = [sample.image for sample in samples]
        found = torch.cat([batch["inputs"] for batch in batches]).permute(0, 2, 3, 1)
        assert np.array_equal(found, data.source("test").images[images])
        labels = torch.cat([batch["data_samples"].labels for batch in batches])
        assert labels.tolist() == data.labels["test"][images].tolist()
        assert all(batch["data_samples"].random is None for batch in batches)


class TestErrors:
    def test_images_of_other_classes(self, tiny_arrays):
        protocol = build_protocol({"type": "Digits"})
        for classes in (CLASSES[:9], CLASSES[::-1]):
            train, test = tiny_arrays(), tiny_arrays(classes=classes)
            message = f"'tiny' has the {len(classes)} classes {classes[0]}, .* check data_root"
            with pytest.raises(InputError, match=message):
                ClassificationData(protocol, train, test)
            with pytest.raises(InputError, match=message):
                ClassificationData(protocol, test, train)

    @pytest.mark.parametrize("part", ["training", "test"])
    def test_a_step_without_images(self, tiny_arrays, part):
        whole, empty = tiny_arrays(), tiny_arrays()
        empty.labels[np.isin(empty.labels, (2, 3))] = 0
        arrays = (empty, whole) if part == "training" else (whole, empty)
        with pytest.raises(InputError, match=rf"step 1 \(two\+three\) .* has no {part} images"):
            ClassificationData(build_protocol({"type": "Digits"}), *arrays)
