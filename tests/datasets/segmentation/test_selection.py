from types import SimpleNamespace

import numpy as np
import pytest

from tests.fake_cityscapes import CITY_SIZES, names
from vdfd_seg.datasets.segmentation import selection
from vdfd_seg.datasets.segmentation.index import ClassIndex
from vdfd_seg.protocols import build_protocol
from vdfd_seg.protocols.cityscapes import CITIES


def index_of(classes_by_image):
    """An index of images named by their keys, ten pixels for each class listed."""
    counts = np.zeros((len(classes_by_image), 256), dtype=np.int64)
    for row, ids in enumerate(classes_by_image.values()):
        counts[row, list(ids)] = 10
    return ClassIndex(tuple(classes_by_image), counts, "digest")


def class_protocol(**rules):
    """0 background; tasks {1, 2}, {3}, {4}; class 5 is never learned."""
    names = ["background", "a", "b", "c", "d", "never"]
    rules = {"tasks": [names[:3], ["c"], ["d"]], **rules}
    return build_protocol({"type": "Custom", "classes": names, **rules})


IMAGES = {
    "one": [0, 1],
    "old_and_new": [0, 1, 3],
    "new_and_future": [0, 3, 4],
    "all": [1, 2, 3, 4],
    "never_learned": [0, 5],
    "new_and_never": [3, 5],
    "empty": [0, 255],
    "second": [2, 255],
    "last": [0, 4],
}


class TestClassIncremental:
    """Overlap and disjoint: test_protocol_data.py by hand, tests/protocols/test_properties.py."""

    def test_partitioned_gives_every_image_to_one_of_its_learned_classes(self):
        protocol, index = class_protocol(setting="partitioned"), index_of(IMAGES)
        steps = [
            {index.names[i] for i in selection.train_images(protocol, index, step)}
            for step in range(3)
        ]
        assert sorted(name for step in steps for name in step) == sorted(
            set(IMAGES) - {"never_learned", "empty"}
        )
        for step, images in enumerate(steps):
            own = set(protocol.foreground_ids([step]))
            assert all(own & set(IMAGES[image]) for image in images)
        # What has one learned class alone cannot be drawn to another.
        assert {"one", "second"} <= steps[0] and "new_and_never" in steps[1] and "last" in steps[2]

    def test_the_draw_is_fair_and_follows_the_name_alone(self):
        protocol = class_protocol(setting="partitioned")
        index = index_of({f"image {i}": [0, 1, 3, 4] for i in range(3000)})
        owners = selection.owning_classes(protocol, index)
        counts = np.bincount(owners)[[1, 3, 4]]
        assert counts.sum() == 3000 and (abs(counts - 1000) < 100).all()
        fewer = index_of({f"image {i}": [0, 1, 3, 4] for i in range(2999, 1000, -1)})
        assert (selection.owning_classes(protocol, fewer) == owners[2999:1000:-1]).all()
        other = class_protocol(setting="partitioned", tasks=[["background", "d"], ["c"], ["a"]])
        assert (selection.owning_classes(other, index) == owners).all()


@pytest.fixture(scope="module")
def cityscapes():
    """The official numbers of images, in the order of the paths."""
    found = tuple(names())
    assert len(found) == 3475
    return ClassIndex(found, np.zeros((len(found), 256), dtype=np.int64), "digest")


def city_protocol(split, **rules):
    return build_protocol({"type": "Cityscapes", "split": split, **rules})


TAIL = [(176, 45), (198, 50), (95, 24), (75, 19), (156, 40), (76, 19), (97, 25), (213, 54),
        (47, 12), (139, 35)]  # fmt: skip
CITY_COUNTS = {
    "11-5": [(1504, 376), (702, 176), (573, 144)],
    "11-1": [(1504, 376), *TAIL],
    "1-1": [(139, 35), (252, 64), (68, 17), (87, 22), (156, 40), (79, 20), (292, 73), (115, 29),
            (113, 29), (76, 20), (123, 31), *TAIL],
}  # fmt: skip


class TestDomainIncremental:
    @pytest.mark.parametrize("split", CITY_COUNTS)
    def test_clean_sizes_are_those_of_the_published_code(self, cityscapes, split):
        protocol = city_protocol(split)
        last = len(protocol.tasks) - 1
        tests = dict(selection.test_images(protocol, cityscapes, last))
        found = [
            (len(selection.train_images(protocol, cityscapes, step)), len(tests[step]))
            for step in range(last + 1)
        ]
        assert found == CITY_COUNTS[split]

    @pytest.mark.parametrize(("split", "leaked"), [("11-5", 71.4), ("11-1", 72.1), ("1-1", 77.8)])
    def test_published_split_tests_mostly_on_images_trained_on(self, cityscapes, split, leaked):
        protocol = city_protocol(split, domain_split="published")
        last = len(protocol.tasks) - 1
        steps = range(last + 1)
        trained = {i for s in steps for i in selection.train_images(protocol, cityscapes, s)}
        groups = selection.test_images(protocol, cityscapes, last)
        tested = [image for _, images in groups for image in images]
        assert len(tested) == len(set(tested)) == 695
        assert round(100 * len(trained & set(tested)) / 695, 1) == leaked

    @pytest.mark.parametrize("split", CITY_COUNTS)
    @pytest.mark.parametrize("domain_split", ["clean", "published"])
    def test_image_by_image(self, cityscapes, split, domain_split):
        """Against lists that are shuffled and cut as PLOP's code does it."""
        protocol = city_protocol(split, domain_split=domain_split)
        places = [name.split("/")[1] for name in cityscapes.names]

        def parts(cities):
            images = [i for i, city in enumerate(places) if city in cities]
            np.random.RandomState(1).shuffle(images)
            return images[: int(0.8 * len(images))], images[int(0.8 * len(images)) :]

        seen, own = [], []
        for step, task in enumerate(protocol.tasks):
            seen += task.domains
            own.append(sorted(parts(task.domains)[1]))
            trained = selection.train_images(protocol, cityscapes, step)
            assert trained.tolist() == sorted(parts(task.domains)[0])
            groups = selection.test_images(protocol, cityscapes, step)
            assert [number for number, _ in groups] == list(range(step + 1))
            if domain_split == "clean":
                assert [images.tolist() for _, images in groups] == own
            else:
                assert sorted(i for _, images in groups for i in images) == sorted(parts(seen)[1])
            for number, images in groups:
                assert {places[i] for i in images} <= set(protocol.tasks[number].domains)

    def test_without_a_domain_split_a_source_is_used_whole(self, cityscapes):
        protocol = city_protocol("1-1", domain_split=None)
        assert len(selection.train_images(protocol, cityscapes, 0)) == CITY_SIZES["aachen"]
        groups = selection.test_images(protocol, cityscapes, 1)
        assert [len(images) for _, images in groups] == [CITY_SIZES[c] for c in CITIES[:2]]


def test_domain_is_the_folder_an_image_lies_in():
    names = ("aachen/a_0", "train/bremen/b_0", "val/munster/c_0", "alone")
    index = SimpleNamespace(names=names)
    assert selection.domains(index).tolist() == ["aachen", "bremen", "munster", ""]
