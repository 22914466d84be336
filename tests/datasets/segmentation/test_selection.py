"""Which images a step trains on and is tested on."""

import hashlib
import random
from types import SimpleNamespace

import numpy as np
import pytest

from tests.fake_cityscapes import CITY_SIZES, names
from vdfd_seg.datasets import ClassIndex
from vdfd_seg.datasets.data import held_out
from vdfd_seg.datasets.segmentation import selection
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
    tasks = [names[:3], ["c"], ["d"]]
    return build_protocol({"type": "Custom", "classes": names, "tasks": tasks, **rules})


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


def chosen(protocol, step):
    index = index_of(IMAGES)
    return {index.names[i] for i in selection.train_images(protocol, index, step)}


class TestClassIncremental:
    def test_overlap_takes_every_image_with_a_class_of_the_step(self):
        protocol = class_protocol(setting="overlap")
        assert chosen(protocol, 0) == {"one", "old_and_new", "all", "second"}
        assert chosen(protocol, 1) == {"old_and_new", "new_and_future", "all", "new_and_never"}
        assert chosen(protocol, 2) == {"new_and_future", "all", "last"}

    def test_disjoint_leaves_out_images_with_a_class_learned_later_or_never(self):
        protocol = class_protocol(setting="disjoint")
        assert chosen(protocol, 0) == {"one", "second"}
        assert chosen(protocol, 1) == {"old_and_new"}
        assert chosen(protocol, 2) == {"new_and_future", "all", "last"}

    def test_a_test_image_holds_a_foreground_class_seen_so_far(self):
        protocol, index = class_protocol(), index_of(IMAGES)

        def tested(step):
            ((task, images),) = selection.test_images(protocol, index, step)
            assert task == 0
            return {index.names[i] for i in images}

        assert tested(0) == {"one", "old_and_new", "all", "second"}
        assert tested(1) == tested(0) | {"new_and_future", "new_and_never"}
        assert tested(2) == tested(1) | {"last"}

    def test_random_indices_obey_the_definitions_image_by_image(self):
        random.seed(3)
        for _ in range(40):
            images = {str(i): random.sample(range(6), random.randint(1, 5)) for i in range(20)}
            index = index_of(images)
            overlap, disjoint = (class_protocol(setting=s) for s in ("overlap", "disjoint"))
            counted = 0
            for step, (new, later) in enumerate([({1, 2}, {3, 4, 5}), ({3}, {4, 5}), ({4}, {5})]):
                held = [set(ids) for ids in images.values()]
                rule = [bool(new & ids) for ids in held]
                strict = [bool(new & ids) and not later & ids for ids in held]
                found = selection.train_images(overlap, index, step)
                assert found.tolist() == np.flatnonzero(rule).tolist()
                found = selection.train_images(disjoint, index, step)
                assert found.tolist() == np.flatnonzero(strict).tolist()
                counted += len(found)
            # Disjoint: every image without a class never learned is in exactly one step.
            assert counted == sum(
                bool(set(ids) - {0, 5}) and 5 not in ids for ids in images.values()
            )


class TestValidation:
    NAMES = [f"2008_{i:06d}" for i in range(2000)]

    def test_share_is_about_what_was_asked_for(self):
        for share in (0.1, 0.5):
            found = held_out(self.NAMES, share).mean()
            # Five standard deviations of a binomial of 2000.
            assert abs(found - share) < 5 * (share * (1 - share) / 2000) ** 0.5

    def test_none_at_share_zero(self):
        assert not held_out(self.NAMES, 0.0).any()

    def test_an_image_stays_where_it_is_when_others_come_or_go(self):
        whole = dict(zip(self.NAMES, held_out(self.NAMES, 0.2), strict=True))
        part = self.NAMES[3::7][::-1] + ["new"]
        again = dict(zip(part, held_out(part, 0.2), strict=True))
        assert all(again[name] == whole[name] for name in part[:-1])

    def test_a_larger_share_holds_out_the_images_of_a_smaller_one_too(self):
        small, large = (held_out(self.NAMES, share) for share in (0.1, 0.3))
        assert (small <= large).all()

    def test_places_never_change(self):
        # A later version that moved images would silently train on tuning data.
        assert held_out(["a", "b", "c", "d", "e", "f"], 0.25).tolist() == [
            False, True, True, True, True, True]  # fmt: skip


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

    @pytest.mark.parametrize("split", CITY_COUNTS)
    def test_clean_parts_divide_each_tasks_own_images(self, cityscapes, split):
        protocol = city_protocol(split)
        places = selection.domains(cityscapes)
        last = len(protocol.tasks) - 1
        for step, (task, tested) in enumerate(selection.test_images(protocol, cityscapes, last)):
            assert task == step
            trained = selection.train_images(protocol, cityscapes, step)
            own = np.flatnonzero(np.isin(places, protocol.tasks[step].domains))
            assert np.union1d(trained, tested).tolist() == own.tolist()
            assert not set(trained) & set(tested)

    def test_clean_test_images_of_a_task_stay_the_same_at_every_step(self, cityscapes):
        protocol = city_protocol("11-5")
        early = selection.test_images(protocol, cityscapes, 0)
        late = selection.test_images(protocol, cityscapes, 2)
        assert early[0][1].tolist() == late[0][1].tolist()

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
    def test_published_split_image_by_image(self, cityscapes, split):
        """Against lists that are shuffled and cut as PLOP's code does it."""
        protocol = city_protocol(split, domain_split="published")
        places = [name.split("/")[1] for name in cityscapes.names]

        def parts(cities):
            images = [i for i, city in enumerate(places) if city in cities]
            np.random.RandomState(1).shuffle(images)
            return images[: int(0.8 * len(images))], images[int(0.8 * len(images)) :]

        seen = []
        for step, task in enumerate(protocol.tasks):
            seen += task.domains
            trained = selection.train_images(protocol, cityscapes, step)
            assert trained.tolist() == sorted(parts(task.domains)[0])
            groups = selection.test_images(protocol, cityscapes, step)
            assert sorted(i for _, images in groups for i in images) == sorted(parts(seen)[1])

    @pytest.mark.parametrize(
        ("split", "domain_split", "digest"),
        [
            ("11-5", "clean", "95ea5ffaaa787e9b"), ("11-5", "published", "e5c2664537ff1346"),
            ("11-1", "clean", "a67e8b5c30c0cee2"), ("11-1", "published", "3bd2b79ac9b8591c"),
            ("1-1", "clean", "cc784c87559d8404"), ("1-1", "published", "0aa92b230fa2f4b9"),
        ],
    )  # fmt: skip
    def test_positions_never_change(self, cityscapes, split, domain_split, digest):
        protocol = city_protocol(split, domain_split=domain_split)
        found = hashlib.sha256()
        for step in range(len(protocol.tasks)):
            groups = [images for _, images in selection.test_images(protocol, cityscapes, step)]
            for images in (selection.train_images(protocol, cityscapes, step), *groups):
                found.update(np.asarray(images, "<i8").tobytes())
        assert found.hexdigest()[:16] == digest

    def test_first_positions_of_the_first_city(self, cityscapes):
        protocol = city_protocol("1-1", domain_split="published")
        ((_, tested),) = selection.test_images(protocol, cityscapes, 0)
        assert tested[:12].tolist() == [1, 7, 8, 20, 22, 25, 37, 50, 57, 60, 61, 63]

    def test_published_first_step_has_no_leak(self, cityscapes):
        protocol = city_protocol("11-5", domain_split="published")
        ((_, tested),) = selection.test_images(protocol, cityscapes, 0)
        assert len(tested) == 376
        assert not set(tested) & set(selection.train_images(protocol, cityscapes, 0))

    def test_published_trains_on_the_same_images_as_clean(self, cityscapes):
        for step in range(3):
            clean, published = (
                selection.train_images(city_protocol("11-5", domain_split=d), cityscapes, step)
                for d in ("clean", "published")
            )
            assert clean.tolist() == published.tolist()

    def test_images_of_a_task_hold_its_domains_only(self, cityscapes):
        protocol = city_protocol("11-1", domain_split="published")
        places = selection.domains(cityscapes)
        for task, images in selection.test_images(protocol, cityscapes, 10):
            assert set(places[images]) <= set(protocol.tasks[task].domains)

    def test_without_a_domain_split_a_source_is_used_whole(self, cityscapes):
        protocol = city_protocol("1-1", domain_split=None)
        assert len(selection.train_images(protocol, cityscapes, 0)) == CITY_SIZES["aachen"]
        groups = selection.test_images(protocol, cityscapes, 1)
        assert [len(images) for _, images in groups] == [CITY_SIZES[c] for c in CITIES[:2]]


def test_domain_is_the_folder_an_image_lies_in():
    names = ("aachen/a_0", "train/bremen/b_0", "val/munster/c_0", "alone")
    index = SimpleNamespace(names=names)
    assert selection.domains(index).tolist() == ["aachen", "bremen", "munster", ""]
