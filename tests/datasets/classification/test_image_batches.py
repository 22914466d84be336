"""Batches out of memory, and random bits that follow from the number of a draw."""

import numpy as np
import pytest
import torch

from vdfd_seg.datasets.classification.batches import ImageBatches, random_bits


def split_mix(state):
    """SplitMix64's output for a state, with integers of any size."""
    state %= 2**64
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
    return state ^ state >> 31


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1, 2**70 + 5])
def test_random_bits_are_those_of_split_mix(seed):
    draws = [0, 1, 2, 50000, 10**12]
    states = [number * 0x9E3779B97F4A7C15 + seed * 0xD1342543DE82EF95 for number in draws]
    expected = [split_mix(state) % 2**63 for state in states]
    assert random_bits(seed, torch.tensor(draws)).tolist() == expected
    # The generator's published first outputs from the seed 0.
    published = [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]
    assert random_bits(0, torch.arange(1, 4)).tolist() == [value % 2**63 for value in published]


class TestBatches:
    @pytest.fixture
    def batches(self):
        images = torch.from_numpy(
            np.random.default_rng(0).integers(0, 256, (9, 4, 5, 3)).astype(np.uint8)
        )
        return ImageBatches(images, [8, 0, 3], [2, 0, 1], [1, 0, 0], seed=6, classes=("a", "b"))

    def test_images_and_labels_of_positions(self, batches):
        found = batches[[2, 0]]
        expected = np.stack([batches.images[i].numpy().transpose(2, 0, 1) for i in (3, 8)])
        assert np.array_equal(found["inputs"].numpy(), expected)
        assert found["inputs"].is_contiguous(memory_format=torch.channels_last)
        samples = found["data_samples"]
        assert samples.labels.tolist() == [1, 2]
        assert samples.tasks.tolist() == [0, 1]
        assert samples.random is None
        assert len(samples) == 2
        assert len(batches) == 3
        assert batches.metainfo == {"classes": ("a", "b")}

    def test_random_bits_follow_from_seed_and_draw_alone(self, batches):
        found = batches[[(2, 100), (0, 7), (2, 8)]]
        assert found["data_samples"].labels.tolist() == [1, 2, 1]
        expected = random_bits(6, torch.tensor([100, 7, 8]))
        assert torch.equal(found["data_samples"].random, expected)
        # Whatever the batch, and whatever the image.
        again = batches[[(1, 7)]]["data_samples"].random
        assert again.tolist() == expected[1:2].tolist()
