import numpy as np
import pytest
from PIL import Image

from vdfd_seg.datasets import BlankLabels, MaskLabels
from vdfd_seg.errors import InputError
from vdfd_seg.registry import TRANSFORMS

# Step with classes 2 -> 1 and 3 -> 2; class 1 is past: background; value 4 must not occur.
LABELS = [0, 0, 1, 2] + [-1] * 251 + [255]


def sample(values, label_map=LABELS):
    return {
        "gt_seg_map": np.array(values, dtype=np.uint8),
        "seg_map_path": "masks/a.png",
        "continual_label_map": label_map,
    }


@pytest.mark.parametrize("kind", [list, tuple, np.array])
def test_every_value_becomes_its_label(kind):
    results = MaskLabels()(sample([[0, 1, 2], [3, 255, 2]], kind(LABELS)))
    assert results["gt_seg_map"].tolist() == [[0, 0, 1], [2, 255, 1]]
    assert results["gt_seg_map"].dtype == np.uint8


def test_value_that_must_not_occur_is_named_with_its_file():
    with pytest.raises(InputError, match=r"masks/a\.png.* 4, 9") as caught:
        MaskLabels()(sample([[0, 4, 9], [4, 1, 2]]))
    assert "4, 9," in str(caught.value)


def test_sample_without_a_table():
    results = sample([[0]])
    del results["continual_label_map"]
    with pytest.raises(InputError, match="continual_label_map"):
        MaskLabels()(results)


@pytest.mark.parametrize("table", [[0, 1], [0] * 255 + [256], [-2] + [0] * 255])
def test_table_that_is_none(table):
    with pytest.raises(InputError, match="256 labels from -1 to 255"):
        MaskLabels()(sample([[0]], table))


def test_before_annotations_are_loaded():
    results = sample([[0]])
    del results["gt_seg_map"]
    with pytest.raises(InputError, match="after LoadAnnotations"):
        MaskLabels()(results)


def test_wider_type_is_refused():
    results = sample([[0]])
    results["gt_seg_map"] = results["gt_seg_map"].astype(np.int64)
    with pytest.raises(InputError, match="uint8"):
        MaskLabels()(results)


def test_follows_mmsegmentations_annotation_loader(tmp_path):
    path = tmp_path / "a.png"
    mask = Image.fromarray(np.array([[0, 1, 2], [3, 255, 2]], dtype=np.uint8))
    mask.putpalette(list(range(255, -1, -1)) * 3)
    mask.save(path)
    load = TRANSFORMS.build({"type": "mmseg.LoadAnnotations"})
    results = {"seg_map_path": str(path), "seg_fields": [], "reduce_zero_label": False}
    results = load({**results, "continual_label_map": LABELS})
    results = TRANSFORMS.build({"type": "vdfd_seg.MaskLabels"})(results)
    assert results["gt_seg_map"].tolist() == [[0, 0, 1], [2, 255, 1]]


def test_blank_labels_have_the_size_of_the_image_as_it_was_read():
    resized = {"img": np.zeros((8, 6, 3), np.uint8), "ori_shape": (4, 3), "seg_fields": []}
    results = BlankLabels()(resized)
    assert results["gt_seg_map"].shape == (4, 3) and set(results["gt_seg_map"].flat) == {255}
    assert results["seg_fields"] == ["gt_seg_map"]
    assert isinstance(TRANSFORMS.build({"type": "vdfd_seg.BlankLabels"}), BlankLabels)
