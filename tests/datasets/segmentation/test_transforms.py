import numpy as np
import pytest
from PIL import Image

from vdfd_seg.datasets import BlankLabels, MaskLabels
from vdfd_seg.errors import InputError
from vdfd_seg.registry import TRANSFORMS

# Step with classes 2 -> 1 and 3 -> 2; class 1 is past: background; value 4 must not occur.
LABELS = [0, 0, 1, 2] + [-1] * 251 + [255]


def sample(values):
    return {
        "gt_seg_map": np.array(values, dtype=np.uint8),
        "seg_map_path": "masks/a.png",
        "continual_label_map": LABELS,
    }


def test_every_value_becomes_its_label():
    results = MaskLabels()(sample([[0, 1, 2], [3, 255, 2]]))
    assert results["gt_seg_map"].tolist() == [[0, 0, 1], [2, 255, 1]]
    assert results["gt_seg_map"].dtype == np.uint8


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"gt_seg_map": np.uint8([[0, 4, 9], [4, 1, 2]])}, r"masks/a\.png.* 4, 9, which"),
        ({"gt_seg_map": None}, "after LoadAnnotations"),
    ],
)
def test_what_cannot_be_relabelled_is_refused(changes, message):
    with pytest.raises(InputError, match=message):
        MaskLabels()({**sample([[0]]), **changes})


class TestSaliency:
    def test_marks_background_alone(self, tmp_path):
        Image.fromarray(np.array([[0, 9, 9], [9, 9, 9]], np.uint8)).save(tmp_path / "s.png")
        results = {**sample([[0, 1, 2], [3, 255, 0]]), "saliency_path": str(tmp_path / "s.png")}
        assert MaskLabels()(results)["gt_seg_map"].tolist() == [[0, 254, 1], [2, 255, 254]]

    @pytest.mark.parametrize(
        ("shape", "message"),
        [
            ((2, 2), r"s\.png' has shape \(2, 2\), the image's mask \(1, 3\)"),
            (None, r"s\.png: this saliency map is damaged"),
        ],
    )
    def test_what_is_no_map_of_the_image_is_refused(self, tmp_path, shape, message):
        (tmp_path / "s.png").write_bytes(b"no image")
        if shape:
            Image.fromarray(np.zeros(shape, np.uint8)).save(tmp_path / "s.png")
        results = {**sample([[0, 1, 2]]), "saliency_path": str(tmp_path / "s.png")}
        with pytest.raises(InputError, match=message):
            MaskLabels()(results)


def test_blank_labels_have_the_size_of_the_image_as_it_was_read():
    resized = {"img": np.zeros((8, 6, 3), np.uint8), "ori_shape": (4, 3), "seg_fields": []}
    results = BlankLabels()(resized)
    assert results["gt_seg_map"].shape == (4, 3) and set(results["gt_seg_map"].flat) == {255}
    assert results["seg_fields"] == ["gt_seg_map"]
    assert isinstance(TRANSFORMS.build({"type": "vdfd_seg.BlankLabels"}), BlankLabels)
