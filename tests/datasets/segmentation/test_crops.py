import math

import numpy as np
import pytest

from vdfd_seg.datasets import EvaluationCrop, RandomResizedCrop
from vdfd_seg.datasets.segmentation.crops import whole_image
from vdfd_seg.errors import InputError
from vdfd_seg.registry import TRANSFORMS


def sample(height, width):
    """An image whose labels are its first channel: columns of eight pixels."""
    columns = np.broadcast_to(np.arange(width, dtype=np.uint8) // 8, (height, width))
    image = np.stack([columns, columns, columns], axis=2)
    return {
        "img": image, "gt_seg_map": columns.copy(), "seg_fields": ["gt_seg_map"],
        "img_shape": (height, width), "ori_shape": (height, width),
    }  # fmt: skip


class TestRandomResizedCrop:
    @pytest.mark.parametrize(("height", "width"), [(500, 333), (1024, 2048), (7, 9)])
    def test_parts_lie_in_the_image_and_within_the_limits(self, height, width):
        np.random.seed(0)
        crop = RandomResizedCrop()
        seen = set()
        for _ in range(300):
            top, left, part_height, part_width = crop.part(height, width)
            assert 0 <= top <= top + part_height <= height and part_height > 0
            assert 0 <= left <= left + part_width <= width and part_width > 0
            # Sides are whole pixels.
            slack = 1 / part_height + 1 / part_width
            assert 3 / 4 * (1 - slack) <= part_width / part_height <= 4 / 3 * (1 + slack)
            assert part_height * part_width >= 0.5 * height * width * (1 - 2 * slack)
            seen.add((top, left, part_height, part_width))
        assert len(seen) > 20

    def test_wide_images_mostly_fall_back_to_the_middle(self):
        """By the definition: a part of 2:1 fits when 2a <= r, with a and log r uniform."""
        areas = np.linspace(0.5, 2.0, 200001)
        fits = np.clip(math.log(4 / 3) - np.log(2 * areas), 0, None) / math.log(16 / 9)
        expected = (1 - fits.mean()) ** 10
        np.random.seed(1)
        crop = RandomResizedCrop()
        parts = [crop.part(1024, 2048) for _ in range(4000)]
        share = np.mean([part == (0, 341, 1024, 1365) for part in parts])
        assert expected == pytest.approx(0.763, abs=0.002)
        assert abs(share - expected) < 5 * math.sqrt(expected * (1 - expected) / 4000)

    def test_tall_images_fall_back_to_the_middle(self):
        crop = RandomResizedCrop(scale=(2, 2))
        assert crop.part(1000, 300) == (300, 0, 400, 300)
        assert crop.part(300, 400) == (0, 0, 300, 400)

    def test_labels_stay_with_their_pixels(self):
        np.random.seed(2)
        crop = RandomResizedCrop(size=(60, 80), scale=(0.3, 0.8))
        for _ in range(10):
            results = crop(sample(120, 160))
            assert results["img"].shape == (60, 80, 3) and results["img_shape"] == (60, 80)
            labels = results["gt_seg_map"]
            assert labels.shape == (60, 80) and labels.dtype == np.uint8
            # Bilinear between columns that differ by one.
            assert np.abs(results["img"][..., 0].astype(int) - labels).max() <= 1
            assert (labels == labels[0]).all() and len(np.unique(labels)) > 5

    @pytest.mark.parametrize("arguments", [{"size": (0, 4)}, {"size": (4,)}, {"scale": (2, 1)}])
    def test_arguments_that_make_no_sense(self, arguments):
        with pytest.raises(InputError, match="RandomResizedCrop: "):
            RandomResizedCrop(**arguments)


class TestEvaluationCrop:
    def test_middle_and_the_shape_that_predictions_are_resized_to(self):
        results = EvaluationCrop((4, 8))(sample(8, 24))
        assert results["img"].shape == (4, 8, 3)
        assert (results["gt_seg_map"] == 1).all() and (results["img"] == 1).all()
        assert results["img_shape"] == results["ori_shape"] == (4, 8)

    @pytest.mark.parametrize(
        ("image", "resized"),
        [((375, 500), (512, 682)), ((500, 334), (766, 512)), ((512, 600), (512, 600))],
    )
    def test_longer_side_is_cut_off_to_whole_pixels(self, image, resized):
        """torchvision's rule: ``int(512 * longer / shorter)``; 682.67, 766.47 and 600 here."""
        results = EvaluationCrop((512, 1000), shorter_side=512)(sample(*image))
        height, width = min(resized[0], 512), resized[1]
        assert results["img"].shape == (height, width, 3)
        assert results["gt_seg_map"].shape == results["ori_shape"] == (height, width)
        # Bilinear and nearest agree but at the edges of columns of eight pixels.
        assert (results["img"][..., 0] != results["gt_seg_map"]).mean() < 0.2

    def test_resize_behind_it_changes_nothing(self):
        crop = EvaluationCrop((64, 64), shorter_side=64)(sample(75, 100))
        resize = TRANSFORMS.build(
            {"type": "Resize", "scale": (256, 64), "keep_ratio": True, "backend": "pillow"}
        )
        after = resize({**crop, "img": crop["img"].copy()})
        assert np.array_equal(after["img"], crop["img"])
        assert np.array_equal(after["gt_seg_map"], crop["gt_seg_map"])
        assert after["ori_shape"] == (64, 64)

    def test_labels_of_another_size_are_refused(self):
        results = sample(8, 24)
        results["gt_seg_map"] = np.zeros((16, 48), np.uint8)
        with pytest.raises(InputError, match="put LoadAnnotations before Resize"):
            EvaluationCrop((4, 8))(results)

    def test_registered_and_left_out_of_whole_images(self):
        assert isinstance(TRANSFORMS.build({"type": "vdfd_seg.EvaluationCrop"}), EvaluationCrop)
        steps = [{"type": "Resize"}, {"type": "vdfd_seg.EvaluationCrop", "size": (2, 2)}]
        assert whole_image([*steps, {"type": EvaluationCrop}]) == steps[:1]
