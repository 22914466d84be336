import numpy as np
import pytest
from PIL import Image

import vdfd_seg
from vdfd_seg.errors import InputError
from vdfd_seg.inference import Predictor, load_predictor
from vdfd_seg.utils.checkpoint import load_step


@pytest.fixture(scope="module")
def predict(vdfd_run):
    return load_predictor(vdfd_run.path, step=2)


@pytest.fixture(scope="module")
def paths(scenes):
    return sorted((scenes / "JPEGImages").iterdir())


def test_a_file_an_array_and_a_list_give_the_same(predict, paths):
    masks = predict(paths)
    assert len({mask.shape for mask in masks}) == 2  # One image of another shape in each split.
    for path, mask in zip(paths, masks, strict=True):
        alone = predict(path)
        assert alone.dtype == np.uint8
        assert np.array_equal(alone, mask)
        assert np.array_equal(predict(predict.read(path)), mask)
    assert np.array_equal(predict(str(paths[0])), masks[0])


def test_arrays_are_rgb(predict, paths):
    with Image.open(paths[0]) as picture:
        image = np.asarray(picture.convert("RGB"))
    # Two decoders of JPEG: not the same to the last bit.
    assert np.abs(predict.read(paths[0]).astype(int) - image).max() <= 3
    red = np.full((48, 48, 3), (220, 20, 20), np.uint8)
    assert not np.array_equal(predict(red), predict(red[..., ::-1]))


def test_a_work_dir_means_its_last_step(vdfd_run, paths):
    last = vdfd_seg.load_predictor(vdfd_run.path)
    first = vdfd_seg.load_predictor(vdfd_run.path / "step_00" / "checkpoint.pth")
    assert (last.step, first.step) == (2, 0)
    assert len(first.classes) == 3
    assert first(paths[0]).max() < 3


def test_a_picture_shows_the_image_the_way_it_was_segmented(predict, paths, tmp_path):
    """Also where the file says that the image is to be turned (EXIF)."""
    with Image.open(paths[1]) as picture:
        assert picture.width != picture.height
        exif = Image.Exif()
        exif[0x0112] = 6
        picture.save(tmp_path / "turned.jpg", exif=exif)
        width, height = picture.size
    mask = predict(tmp_path / "turned.jpg")
    assert mask.shape == (width, height)
    page = predict.picture(tmp_path / "turned.jpg", alpha=0.0)
    image = predict.read(tmp_path / "turned.jpg")
    assert np.array_equal(page[:width, :height], image)
    assert page.shape[0] > width


class TestBackground:
    def test_is_neither_painted_nor_named(self, predict, paths):
        image, mask = predict.read(paths[0]), predict(paths[0])
        assert predict.classes[predict.background] == "background"
        page = predict.picture(image, mask, alpha=1.0)
        height, width = mask.shape
        background = mask == predict.background
        assert 0 < background.sum() < background.size
        assert np.array_equal(page[:height, :width][background], image[background])
        known = {tuple(predict.palette[label]) for label in mask[~background]}
        assert {tuple(c) for c in page[:height, :width][~background].tolist()} == known
        named = [label for label in np.unique(mask) if label != predict.background]
        assert np.array_equal(page, predict.picture(image, mask, 1.0, named))

    def test_alone_has_no_legend(self, predict, paths):
        image = predict.read(paths[0])
        assert np.array_equal(predict.picture(image, np.zeros(image.shape[:2], int)), image)

    @pytest.mark.parametrize(
        ("names", "meta", "place"),
        [
            (None, {"background": "red"}, 2), (None, {"background": None}, 0), (None, {}, 0),
            ("abcdefg", {"background": None}, None), ("abcdefg", {"background": "a"}, 0),
        ],
    )  # fmt: skip
    def test_which_class_it_is(self, predict, vdfd_run, names, meta, place):
        """Where a checkpoint names none, the class called so."""
        saved = load_step(vdfd_run.path / "step_02" / "checkpoint.pth")["meta"]
        assert saved.pop("background") == "background"
        saved["dataset_meta"]["classes"] = names or predict.classes
        assert Predictor(predict.learner, {**saved, **meta}).background == place


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (0, 4, 3), (4, 4, 3)])
def test_arrays_that_are_no_images(predict, shape):
    """Grey ones, of four channels, empty ones, and of floats."""
    kind = np.float32 if shape == (4, 4, 3) else np.uint8
    with pytest.raises(InputError, match="must be an image"):
        predict(np.zeros(shape, kind))
