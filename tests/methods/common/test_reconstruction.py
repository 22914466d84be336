"""The head learns to keep what the backbone knows."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from vdfd_seg.distillation import FeatureGaussians
from vdfd_seg.methods.common.feature_cache import pixels_of
from vdfd_seg.methods.common.reconstruction import reconstruct_backbone, reconstruction_loss

REPLAY = {"type": "VDFDPlus", "weight": 0.0, "replay": 64, "num_views": 2}


def in_pairs(views):
    """Batches of two images: a batch norm behind global pooling does not train on one."""

    def opened(count):
        batches = list(views(count))
        for (a, one), (b, other) in zip(batches[::2], batches[1::2], strict=False):
            yield torch.cat([a, b]), one + other

    return opened


@pytest.fixture
def first(begin, train):
    """A trained first step with features to replay."""
    step = begin(REPLAY)
    train(step)
    step.context = replace(step.context, views=in_pairs(step.context.views))
    return step


def test_the_loss_is_by_hand_and_knows_no_scale():
    found, target = torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    t = target.numpy().astype(np.float64)
    whitened = (t - t.mean((0, 2, 3), keepdims=True)) / t.std((0, 2, 3), keepdims=True)
    expected = ((found.numpy() - whitened) ** 2).mean()
    assert reconstruction_loss(found, target).item() == pytest.approx(expected, rel=1e-3)
    assert reconstruction_loss(found, 7 * target - 2).item() == pytest.approx(expected, rel=1e-3)
    coarse = found[..., ::2, ::2]
    assert reconstruction_loss(coarse, target).isfinite()


def test_the_head_alone_changes_and_can_be_decoded_better(first):
    def unexplained():
        """Share of the map's variance that a linear reading of the features leaves."""
        first.network.eval()
        with torch.no_grad():
            outputs = first.adapter.outputs(first.inputs)
        target = first.adapter.body(outputs)[-1].movedim(1, -1).flatten(0, 2).double()
        x = outputs.before_dropout.movedim(1, -1).flatten(0, 2).double()
        x = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        target = (target - target.mean(0)) / target.std(0).clamp_min(1e-9)
        ridge = torch.eye(x.shape[1]) * 1e-3 * len(x)
        rest = target - x @ torch.linalg.solve(x.T @ x + ridge, x.T @ target)
        return rest.square().mean().item()

    before, start = unexplained(), {k: v.clone() for k, v in first.network.state_dict().items()}
    reconstruct_backbone(first.context, 30)
    changed = {k for k, v in first.network.state_dict().items() if not torch.equal(v, start[k])}
    assert changed and all(name.startswith("decode_head.") for name in changed)
    assert unexplained() < before


def test_what_is_carried_is_of_the_features_afterwards(first):
    first.method.reconstruct = 3
    carried = FeatureGaussians(**first.method.after_task(first.context)["replay"])
    pixels = pixels_of(first.context, 2)
    features, labels = (torch.cat(parts) for parts in zip(*pixels, strict=True))
    for label, mean in zip(carried.labels, carried.means, strict=True):
        assert torch.allclose(mean, features[labels == label].mean(0), rtol=1e-2, atol=1e-3)


def test_a_step_without_it_and_a_later_step_leave_the_head(first, begin, end):
    later = begin({**REPLAY, "reconstruct": 3}, 1, end(first))
    for step in (first, later):
        start = {k: v.clone() for k, v in step.network.state_dict().items()}
        step.method.after_task(step.context)
        assert all(torch.equal(v, start[k]) for k, v in step.network.state_dict().items())
