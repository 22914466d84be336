"""Rows of new classes made of the old ones."""

import pytest
import torch

from tests.test_method_contract import MODEL, SHORT
from vdfd_seg.losses import unbiased_cross_entropy
from vdfd_seg.methods.common.feature_cache import FeatureCache, pixels_of
from vdfd_seg.methods.common.pretuning import importances, pretune

ROWS = ("decode_head.conv_seg.weight", "decode_head.conv_seg.bias")


@pytest.fixture
def step(successor):
    """A second step of two old classes and a new one."""
    return successor({"type": "FineTune"})


def pixels(step):
    return [torch.cat(parts) for parts in zip(*pixels_of(step.context, 1), strict=True)]


def test_importances_are_the_plain_reference(step):
    rows, bias = (p.detach()[:2] for p in step.adapter.classifier())
    _, labels = pixels(step)
    # Features follow a ReLU: let some be negative.
    cache = FeatureCache(step.context, 1)
    cache.features -= cache.features.median()
    x = cache.features.movedim(1, -1).flatten(0, 2).float()[labels == 2]
    assert len(x) and (x < 0).any()
    q = (x @ rows.T + bias).softmax(1)
    expected = [((x * rows[k] > 0) * q[:, k : k + 1]).mean(0) for k in range(2)]
    found = importances(step.context, cache, rows, bias)
    assert torch.allclose(found, torch.stack(expected)[None], atol=1e-5)


def test_background_and_new_rows_change_alone_and_lower_the_loss(step):
    features, labels = pixels(step)

    def loss():
        scores = torch.nn.functional.linear(features, *step.adapter.classifier())
        return unbiased_cross_entropy(scores, labels, 2).item()

    layer = step.network.decode_head.conv_seg
    with torch.no_grad():
        layer.weight[2:], layer.bias[2:] = layer.weight[:1], layer.bias[:1]
    before, start = loss(), {k: v.clone() for k, v in step.network.state_dict().items()}
    pretune(step.context)
    after = step.network.state_dict()
    assert {k for k in start if not torch.equal(start[k], after[k])} == set(ROWS)
    weight, bias = (after[name] for name in ROWS)
    assert torch.equal(weight[1], start[ROWS[0]][1])
    assert weight[0].norm() == pytest.approx(start[ROWS[0]][0].norm().item(), rel=1e-5)
    assert torch.equal(bias[:2], start[ROWS[1]][:2])
    assert loss() < before


def test_a_class_that_is_not_seen_has_finite_rows(step):
    for sample in step.samples:
        sample.gt_sem_seg.data[:] = 0
    pretune(step.context)
    assert all(p.isfinite().all() for p in step.adapter.classifier())


def test_a_run_begins_with_them_and_again_with_the_same(engine_steps):
    still = {"1:": {"optim_wrapper": {"optimizer": {"lr": 0.0}}}}
    method = {"type": "MiB", "new_rows": "pretuned"}
    changes = {**SHORT, **MODEL, "method": method, "step_overrides": still}
    (_, first), (_, second) = engine_steps("first", changes), engine_steps("second", changes)
    old, new = (checkpoint["state_dict"][ROWS[0]] for checkpoint in first)
    assert torch.equal(new[1:3], old[1:])
    # Trained, not copied as MiB's start is.
    assert not torch.equal(new[0], old[0]) and not torch.equal(new[3], new[4])
    assert torch.equal(second[1]["state_dict"][ROWS[0]], new)
