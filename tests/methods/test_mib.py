import pytest
import torch

from tests.methods.plain import at_labels

UNCE = {"type": "vdfd_seg.UnbiasedCrossEntropyLoss"}


def found(step, outputs):
    return step.method.extra_losses(step.adapter, outputs, step.samples)["loss_kd"]


def test_new_classes_are_distilled_as_background(taught):
    step, teacher = taught({"type": "MiB", "weight": 3.0, "alpha": 2.0}, loss=UNCE)
    outputs, new, old = at_labels(step, teacher)
    q, target = new.softmax(1), (2 * old).softmax(1)
    assert (q.shape[1], target.shape[1]) == (3, 2)
    expected = -(target[:, 0] * (q[:, 0] + q[:, 2]).log() + target[:, 1] * q[:, 1].log()) / 2
    assert torch.allclose(found(step, outputs), 3 * expected.mean(), rtol=1e-4)


@pytest.mark.parametrize("background", [None, 0])
def test_is_the_plain_distillation_where_nothing_is_hidden(
    taught, domains, tiny_protocol, background
):
    """Over domains, and without a background."""
    protocol = domains if background == 0 else tiny_protocol(background=None, unseen="ignore")
    step, teacher = taught({"type": "MiB"}, protocol=protocol)
    outputs, new, old = at_labels(step, teacher)
    assert old.shape[1] == (2 if background is None else 4)
    expected = -10 * (old.softmax(1) * new[:, : old.shape[1]].log_softmax(1)).mean()
    assert torch.allclose(found(step, outputs), expected, rtol=1e-4)
