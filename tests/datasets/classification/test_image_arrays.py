import os
import pickle

import numpy as np
import pytest

from vdfd_seg.datasets import read_arrays, write_arrays
from vdfd_seg.datasets.classification.arrays import ImageArrays
from vdfd_seg.errors import InputError

CLASSES = ("cat", "dog", "owl")
LABELS = np.array([2, 0, 1, 1, 0])
IMAGES = np.random.default_rng(0).integers(0, 256, (5, 4, 6, 3)).astype(np.uint8)


@pytest.fixture
def root(tmp_path):
    write_arrays(tmp_path / "set", "train", IMAGES, LABELS, CLASSES)
    return tmp_path / "set"


def save(array):
    return lambda path: np.save(path, array)


def arrays(images=IMAGES, labels=LABELS, classes=CLASSES, root=""):
    return ImageArrays(images, labels, classes, root)


def test_what_is_written_is_read(root):
    read = read_arrays(root, "train")
    np.testing.assert_array_equal(read.images, IMAGES)
    np.testing.assert_array_equal(read.labels, LABELS)
    assert (read.classes, read.root, len(read)) == (CLASSES, str(root), 5)
    assert read.labels.dtype == np.int64
    assert isinstance(read.images, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        read.images[0] = 0


@pytest.mark.parametrize("images", [np.asfortranarray(IMAGES), IMAGES[:, ::-1], IMAGES[..., ::-1]])
def test_order_in_memory_does_not_matter(tmp_path, images):
    write_arrays(tmp_path, "train", images, LABELS, CLASSES)
    read = read_arrays(tmp_path, "train")
    np.testing.assert_array_equal(read.images, images)
    assert read.digest == arrays(images).digest == arrays(images.copy()).digest


def test_the_digest_follows_images_labels_classes_and_shape():
    pixel = IMAGES.copy()
    pixel[4, 3, 5, 2] ^= 1
    different = [
        arrays(),
        arrays(images=pixel),
        arrays(images=IMAGES.reshape(5, 6, 4, 3)),
        arrays(labels=LABELS[::-1]),
        arrays(classes=("cat", "dog", "pig")),
    ]
    assert len({one.digest for one in different}) == len(different)


def test_writing_again_replaces_and_reads_as_missing_where_it_was_interrupted(root, monkeypatch):
    write_arrays(root, "train", IMAGES[:2], LABELS[:2], CLASSES)
    assert len(read_arrays(root, "train")) == 2
    assert sorted(os.listdir(root)) == ["train.json", "train_images.npy", "train_labels.npy"]

    def interrupted(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr("vdfd_seg.datasets.classification.arrays.atomic_write_text", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(root, "train", IMAGES, LABELS, CLASSES)
    with pytest.raises(InputError, match=r"train\.json: this file is missing"):
        read_arrays(root, "train")


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"images": IMAGES.astype(float)}, "of uint8"),
        ({"images": IMAGES[..., 0]}, r"must be \(N, H, W, 3\)"),
        ({"images": IMAGES[:0], "labels": LABELS[:0]}, "one at least"),
        ({"images": IMAGES[:4]}, "each of the 4 images"),
        ({"labels": LABELS.astype(float)}, "must be integers"),
        ({"labels": LABELS[None]}, r"must be \(N,\)"),
        ({"labels": np.array([0, 1, 3, 9, 0])}, "label 3 at index 2"),
        ({"labels": np.array([0, 2**64 - 1, 0, 0, 0], dtype=np.uint64)}, "at index 1"),
        ({"classes": ("cat", "dog", "cat")}, "different names"),
        ({"classes": "cat"}, "different names"),
        ({"classes": ("cat", "dog", 3)}, "different names"),
        ({"split": "../train"}, "plain name"),
    ],
)
def test_arrays_that_are_no_data_set_are_refused_and_nothing_is_written(tmp_path, wrong, message):
    given = {"split": "train", "images": IMAGES, "labels": LABELS, "classes": CLASSES, **wrong}
    with pytest.raises(InputError, match=message):
        write_arrays(tmp_path / "set", **given)
    assert not list(tmp_path.iterdir())


def test_absent_root_names_the_converter(tmp_path):
    with pytest.raises(InputError, match=r"python tools/dataset_converters/cifar100\.py") as caught:
        read_arrays(tmp_path / "absent", "train")
    assert str(tmp_path / "absent") in str(caught.value)


@pytest.mark.parametrize("name", ["train_images.npy", "train_labels.npy", "train.json"])
def test_a_missing_or_truncated_file_is_named(root, name):
    whole = (root / name).read_bytes()
    for length in [0, 1, 5, 9, 40, len(whole) // 2, len(whole) - 3]:
        (root / name).write_bytes(whole[:length])
        with pytest.raises(InputError, match=f"{name}: damaged"):
            read_arrays(root, "train")
    (root / name).unlink()
    with pytest.raises(InputError, match=f"{name}: this file is missing"):
        read_arrays(root, "train")


@pytest.mark.parametrize(
    ("name", "write", "message"),
    [
        ("train_images.npy", save(IMAGES.astype(np.int16)), "of uint8"),
        ("train_images.npy", save(IMAGES[:, :2]), "do not belong together"),
        ("train_images.npy", save(IMAGES[:0]), "one at least|damaged"),
        ("train_images.npy", save(np.array([{}])), "damaged"),
        ("train_images.npy", lambda p: p.write_bytes(pickle.dumps(IMAGES)), "damaged"),
        ("train_images.npy", lambda p: np.savez(p.open("wb"), IMAGES), "damaged"),
        ("train_labels.npy", save(LABELS.astype(np.int32)), "must be int64"),
        ("train_labels.npy", save(np.array([0, 1, 3, 0, 0])), "label 3 at index 2"),
        ("train.json", lambda p: p.write_text("[]"), "damaged"),
        ("train.json", lambda p: p.write_text('{"version": 1}'), "damaged"),
        ("train.json", lambda p: p.write_bytes(b"\xff\xfe"), "damaged"),
        ("train.json", lambda p: p.write_text("[" * 100_000), "damaged"),
        ("train.json", lambda p: p.write_text('{"version": 9}'), "format 9"),
        ("train.json", lambda p: p.write_text(p.read_text().replace("dog", "cat")),
         r"train\.json: classes must be different"),
    ],
)  # fmt: skip
def test_damaged_and_foreign_files_are_named(root, name, write, message):
    write(root / name)
    with pytest.raises(InputError, match=message) as caught:
        read_arrays(root, "train")
    assert str(root) in str(caught.value)


def test_images_are_not_read_for_the_digest(root):
    # Content that the description does not tell of: only reading it would notice.
    np.save(root / "train_images.npy", 255 - IMAGES)
    assert read_arrays(root, "train").digest == arrays().digest
