"""Augmentation of whole batches does to each image what its own random bits say."""

import numpy as np
import pytest
import torch

from vdfd_seg.datasets.classification.batches import LabelledImages, random_bits
from vdfd_seg.errors import InputError
from vdfd_seg.models import ImageBatchPreprocessor
from vdfd_seg.models.image_batch_preprocessor import augment


def pixels(count, height=6, width=7, seed=0):
    rng = np.random.default_rng(seed)
    return torch.from_numpy(rng.integers(1, 256, (count, 3, height, width)).astype(np.uint8))


def one_by_one(images, random, padding, flip):
    """The same for one image at a time, with whole-number arithmetic."""
    results = []
    for image, bits in zip(images.numpy(), random.tolist(), strict=True):
        height, width = image.shape[1:]
        row = bits % 2**16 % (2 * padding + 1)
        column = bits // 2**16 % 2**16 % (2 * padding + 1)
        padded = np.pad(image, ((0, 0), (padding, padding), (padding, padding)))
        window = padded[:, row : row + height, column : column + width]
        results.append(window[:, :, ::-1] if flip and bits // 2**32 % 2 else window)
    return np.stack(results)


@pytest.mark.parametrize("padding", [0, 1, 4])
@pytest.mark.parametrize("flip", [False, True])
def test_is_that_of_a_loop_over_images(padding, flip):
    images, random = pixels(40), random_bits(3, torch.arange(40))
    found = augment(images, random, padding, flip)
    assert found.dtype == torch.uint8
    assert np.array_equal(found.numpy(), one_by_one(images, random, padding, flip))


class TestPreprocessor:
    MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.5)

    @pytest.fixture
    def preprocessor(self):
        return ImageBatchPreprocessor(self.MEAN, self.STD, crop_padding=2)

    def batch(self, random=True):
        images = pixels(8)
        bits = random_bits(1, torch.arange(8)) if random else None
        labels = torch.arange(8)
        return {"inputs": images, "data_samples": LabelledImages(labels, labels // 2, bits)}

    def normalised(self, images):
        mean, std = (np.array(x)[:, None, None] for x in (self.MEAN, self.STD))
        return torch.tensor((np.asarray(images) / 255 - mean) / std, dtype=torch.float32)

    def test_evaluation_only_normalises(self, preprocessor):
        batch = self.batch()
        found = preprocessor(batch, training=False)
        assert torch.allclose(found["inputs"], self.normalised(batch["inputs"]), atol=1e-5)
        assert torch.equal(found["data_samples"].labels, torch.arange(8))
        # So does training without random bits.
        found = preprocessor(self.batch(random=False), training=True)
        assert torch.allclose(found["inputs"], self.normalised(batch["inputs"]), atol=1e-5)

    def test_training_augments_before(self, preprocessor):
        batch = self.batch()
        turned = one_by_one(batch["inputs"], batch["data_samples"].random, 2, True)
        found = preprocessor(batch, training=True)["inputs"]
        assert torch.allclose(found, self.normalised(turned), atol=1e-5)
        assert found.is_contiguous(memory_format=torch.channels_last)

    @pytest.mark.parametrize("options", [{"crop_padding": -1}, {"std": (1, 1)}, {"std": (1, 0, 1)}])
    def test_bad_options_are_refused(self, options):
        with pytest.raises(InputError, match="data_preprocessor needs crop_padding of 0 or more"):
            ImageBatchPreprocessor(**options)


def test_goes_where_the_network_goes_that_holds_it():
    """MMEngine's own record of the device follows `to` of the preprocessor alone."""
    network = torch.nn.Sequential(ImageBatchPreprocessor()).to("meta")
    samples = LabelledImages(torch.zeros(2, dtype=torch.int64), torch.zeros(2, dtype=torch.int64))
    found = network[0]({"inputs": pixels(2), "data_samples": samples})
    assert found["inputs"].is_meta
    assert found["data_samples"].labels.is_meta
