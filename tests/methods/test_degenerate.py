"""Batches in which something is missing give no NaN under bfloat16 autocast."""

import pytest
import torch
from torch import nn

from tests.methods.test_contract import CASES as CONTRACT
from vdfd_seg.methods.common.teacher import TeacherMethod

METHOD_NAMES = [name for name, case in CONTRACT if case == "segmentation"]
LOSSES = {
    "plain": {"type": "CrossEntropyLoss"},
    "valid pixels": {"type": "CrossEntropyLoss", "avg_non_ignore": True},
    "unbiased": {"type": "vdfd_seg.UnbiasedCrossEntropyLoss"},
}
NEW = 2
"""The only new class of the second step; 0 is the background."""
IGNORE = 255


def relabel(step, change):
    for sample in step.samples:
        sample.gt_sem_seg.data = change(sample.gt_sem_seg.data)


def nothing_labelled(step):
    relabel(step, lambda labels: torch.full_like(labels, IGNORE))


def one_image_nothing_labelled(step):
    step.samples[0].gt_sem_seg.data = torch.full_like(step.samples[0].gt_sem_seg.data, IGNORE)


def no_background(step):
    relabel(step, lambda labels: labels.masked_fill(labels == 0, NEW))


def no_new_class(step):
    relabel(step, lambda labels: labels.masked_fill(labels == NEW, 0))


def one_labelled_pixel(step):
    nothing_labelled(step)
    step.samples[0].gt_sem_seg.data[0, 5, 5] = NEW


def single_image(step):
    step.inputs, step.samples = step.inputs[:1], step.samples[:1]
    # The batch norm of ASPP's one pixel an image needs two images.
    for module in step.network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.eval()


def nothing_certain(step):
    """No pixel that PLOP's teacher is sure enough of: the factors of the images are 0."""
    if getattr(step.method, "thresholds", None) is not None:
        step.method.thresholds.zero_()


def everything_certain(step):
    if getattr(step.method, "thresholds", None) is not None:
        step.method.thresholds.fill_(2.0)


def black_images(step):
    step.inputs = torch.zeros_like(step.inputs)


def confident_network(step):
    """Logits in the thousands: probabilities of exactly 0 and 1."""
    with torch.no_grad():
        step.adapter.classifier()[0].mul_(1e4)


def contradicting_networks(step):
    """Sure of the opposite of each other, and the old one with great maps; it stays so."""
    networks = {-1e4: step.network}
    with torch.no_grad():
        if isinstance(step.method, TeacherMethod):
            networks[1e4] = step.method.teacher
            for parameter in step.method.teacher.backbone.layer4.parameters():
                parameter.mul_(20)
        for size, network in networks.items():
            bias = network.decode_head.conv_seg.bias
            bias.copy_(size * (-1.0) ** torch.arange(len(bias)))


def unmoved_network(step):
    """Student and teacher, or weights and anchors, are equal."""


CASES = [
    nothing_labelled, one_image_nothing_labelled, no_background, no_new_class,
    one_labelled_pixel, single_image, nothing_certain, everything_certain, black_images,
    confident_network, unmoved_network, contradicting_networks,
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "loss"),
    [
        (name, loss)
        for name in METHOD_NAMES
        for loss in LOSSES
        # The loss is the heads' own; only PLOP calls it image by image.
        if loss != "valid pixels" or name in ("FineTune", "PLOP")
    ],
)
def test_losses_and_gradients_are_finite(successor, name, loss):
    begun = successor({"type": name}, updates=1, loss=LOSSES[loss])
    start = {key: value.clone() for key, value in begun.learner.state_dict().items()}
    inputs, samples = begun.inputs, begun.samples
    labels = [sample.gt_sem_seg.data.clone() for sample in samples]
    bad = []
    for case in CASES:
        begun.learner.load_state_dict(start)
        begun.learner.train().zero_grad()
        begun.inputs, begun.samples = inputs, samples
        for sample, original in zip(samples, labels, strict=True):
            sample.gt_sem_seg.data = original.clone()
        case(begun)
        with torch.autocast("cpu", torch.bfloat16):
            losses = begun.learner(begun.inputs, begun.samples, mode="loss")
        sum(value for key, value in losses.items() if "loss" in key).backward()
        found = [key for key, value in losses.items() if not value.isfinite().all()]
        found += [
            key
            for key, p in begun.learner.named_parameters()
            if p.grad is not None and not p.grad.isfinite().all()
        ]
        bad += [f"{case.__name__}: {key}" for key in found]
    assert bad == []
