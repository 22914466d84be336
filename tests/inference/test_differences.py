import numpy as np
import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.inference import Differences, load_predictor
from vdfd_seg.inference.differences import changes_of, common_classes, format_changes


def test_classes_are_matched_by_name():
    names, old, new = common_classes(["a", "b", "gone"], ["b", "a", "c"])
    assert names == ["b", "a", "c", "gone"]
    assert old.tolist() == [1, 0, 3]
    assert new.tolist() == [0, 1, 2]


def test_counts_by_hand():
    counts = np.array([[1, 1, 0], [0, 1, 0], [2, 0, 1]])
    assert changes_of(counts, "abc") == [("c", "a", 2), ("a", "b", 1)]
    lines = format_changes(counts, "abc", "pixels").splitlines()
    assert lines[0] == "3 of 6 pixels changed (50.00 %)"
    assert [line.split() for line in lines[2:]] == [
        ["c", "a", "2", "66.7", "%"], ["a", "b", "1", "50.0", "%"],
    ]  # fmt: skip
    many = format_changes(np.ones((6, 6), int), "abcdef", "pixels")
    assert many.endswith("... and 10 more")
    assert format_changes(np.diag([3, 4]), "ab", "pixels") == "0 of 7 pixels changed (0.00 %)"
    assert format_changes(np.zeros((2, 2), int), "ab", "images").startswith("0 of 0 images")


@pytest.fixture(scope="module")
def steps(vdfd_run):
    return load_predictor(vdfd_run.path, step=0), load_predictor(vdfd_run.path, step=2)


def test_two_steps_pixel_by_pixel(steps, scenes):
    first, last = steps
    differences = Differences(first, last)
    paths = sorted((scenes / "JPEGImages").glob("val_*"))
    images = [last.read(path) for path in paths]
    found = differences.masks(images)
    expected = {}
    for image in images:
        for old, new in zip(first(image).ravel(), last(image).ravel(), strict=True):
            key = first.classes[old], last.classes[new]
            expected[key] = expected.get(key, 0) + 1
    names = differences.classes
    assert names == last.classes
    assert differences.counts.sum() == sum(mask.size for mask, _, _ in found)
    for i, j in np.ndindex(differences.counts.shape):
        assert differences.counts[i, j] == expected.get((names[i], names[j]), 0)
    assert sum(counts for *_, counts in found).tolist() == differences.counts.tolist()
    assert sum(n for (old, new), n in expected.items() if old != new) > 0


def test_classifiers_are_counted_in_images(classifier, digit_images):
    run = classifier("class")
    differences = Differences(load_predictor(run.path, step=1), load_predictor(run.path, step=2))
    found = differences.predictions(sorted(digit_images.iterdir()))
    assert len(found) == differences.counts.sum() == 120
    changed = sum(before.name != after.name for before, after in found)
    assert changed == differences.counts.sum() - np.trace(differences.counts)


def test_unlike_problems_are_refused(steps, classifier):
    with pytest.raises(InputError, match="one of the checkpoints .* segmentation"):
        Differences(steps[0], load_predictor(classifier("class").path))
