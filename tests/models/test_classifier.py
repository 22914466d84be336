import numpy as np
import pytest
import torch

from vdfd_seg.errors import InputError
from vdfd_seg.models.classifier import rotated

pytestmark = pytest.mark.processor


@pytest.fixture
def images():
    return torch.randn(5, 3, 8, 8, generator=torch.Generator().manual_seed(3))


def rows_of(network, images):
    features = network.backbone(images)
    return torch.cat([features @ head.weight.T for head in network.heads], 1)


def test_rotations_are_those_of_numpy_and_follow_one_another(images):
    expected = [np.rot90(x, k, (1, 2)) for x in images.numpy() for k in range(4)]
    assert np.array_equal(rotated(images).numpy(), np.stack(expected))
    with pytest.raises(InputError, match="needs square images, not 8x6"):
        rotated(torch.zeros(1, 3, 8, 6))


@pytest.mark.parametrize(("rotations", "rows"), [(False, 1), (True, 4)])
def test_scores_are_of_the_image_as_it_is(tiny_classifier, images, rotations, rows):
    network = tiny_classifier([2, 3], rotations=rotations).eval()
    assert network.head_sizes == [2, 3]
    expected = rows_of(network, images)
    assert expected.shape == (5, 5 * rows)
    for mode in ("tensor", "predict"):
        found = network(images, mode=mode)
        assert torch.allclose(found, expected[:, ::rows], atol=1e-6)


def test_averaged_scores_are_means_over_turned_images(tiny_classifier, images):
    network = tiny_classifier([2, 1], rotations=True, test="average").eval()
    for image, scores in zip(images, network(images, mode="predict"), strict=True):
        for c in range(3):
            each = [
                rows_of(network, torch.rot90(image, k, (1, 2))[None])[0, 4 * c + k]
                for k in range(4)
            ]
            assert scores[c].item() == pytest.approx(sum(each).item() / 4, abs=1e-6)
    network = tiny_classifier([2, 1], test="average").eval()
    assert torch.allclose(network(images, mode="predict"), network(images), atol=1e-6)


def test_another_test_is_refused(tiny_classifier):
    with pytest.raises(InputError, match="model.test='mean' is not one of"):
        tiny_classifier(test="mean")
