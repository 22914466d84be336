import numpy as np
import pytest
from sklearn.datasets import load_digits

from vdfd_seg.datasets import read_arrays, write_arrays, write_digits
from vdfd_seg.errors import InputError

NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@pytest.fixture
def root(tmp_path):
    return write_digits(tmp_path / "digits")


def test_every_scan_is_in_one_split_with_its_label_a_fifth_of_each_digit_for_testing(root):
    train, test = read_arrays(root, "train"), read_arrays(root, "test")
    scans, labels = load_digits(return_X_y=True)
    written = sorted(
        (int(label), image[..., 0].tobytes())
        for split in (train, test)
        for image, label in zip(split.images, split.labels, strict=True)
    )
    scaled = np.rint(scans * 255 / 16).astype(np.uint8)
    expected = zip(labels.tolist(), (scan.tobytes() for scan in scaled), strict=True)
    assert written == sorted(expected)
    assert train.classes == test.classes == NAMES
    counts = [np.bincount(split.labels, minlength=10) for split in (train, test)]
    assert (counts[1] == sum(counts) // 5).all()


@pytest.mark.parametrize("lost", ["train_images.npy", "test_labels.npy", "test.json"])
def test_incomplete_set_is_written_again(root, lost):
    before = [read_arrays(root, split).digest for split in ("train", "test")]
    (root / lost).unlink()
    write_digits(root)
    assert [read_arrays(root, split).digest for split in ("train", "test")] == before


def test_arrays_of_another_data_set_are_refused(tmp_path):
    write_arrays(tmp_path, "train", np.zeros((2, 4, 4, 3), np.uint8), np.array([0, 1]), ("a", "b"))
    with pytest.raises(InputError, match="not the digits"):
        write_digits(tmp_path)
    assert read_arrays(tmp_path, "train").classes == ("a", "b")
