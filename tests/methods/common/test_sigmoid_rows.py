"""Foreground classes with a sigmoid each next to a background row of zeros."""

import math

import pytest
import torch
from torch import nn

from tests.test_method_contract import MODEL, SHORT
from vdfd_seg.methods.common.sigmoid_rows import foreground_loss, subtract_background
from vdfd_seg.models import SegmentationAdapter

METHODS = ("STAR", "DKD")


def test_the_loss_of_foreground_classes_by_hand():
    # Sigmoids 3/4 and 1/2 of classes 2 and 3 at a pixel of class 2, of an old one, of none.
    logits = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
    labels = torch.tensor([[[2, 1, 255]]])
    no = -math.log(0.25) - math.log(0.5)
    expected = [-4 * math.log(0.75) - math.log(0.5), no, no]
    assert foreground_loss(logits, labels, 2, 4.0).flatten().tolist() == pytest.approx(expected)


def test_subtracting_the_background_changes_no_prediction_of_a_softmax_network(tiny_network):
    network = tiny_network(5)
    layer = network.decode_head.conv_seg
    nn.init.normal_(layer.weight)
    nn.init.normal_(layer.bias)
    features = torch.randn(2, layer.in_channels, 16, 16)
    with torch.no_grad():
        before = layer(features)
        subtract_background(SegmentationAdapter(network), 5)
        after = layer(features)
        assert len(before.argmax(1).unique()) == 5
        assert torch.allclose(after.softmax(1), before.softmax(1), atol=1e-6)
        assert torch.equal(after[:, 0], torch.zeros_like(after[:, 0]))


@pytest.mark.parametrize("name", METHODS)
class TestStep:
    @pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
    def test_the_background_row_stays_zero(self, begin, train, end, name, optimizer):
        previous = None
        for step in range(2):
            begun = begin({"type": name}, step, previous)
            layer = begun.network.decode_head.conv_seg
            others = layer.weight[1:].detach().clone()
            train(begun, updates=3, lr=0.01, optimizer=optimizer, weight_decay=0.1)
            assert layer.weight[0].abs().max() == 0 and layer.bias[0] == 0
            assert not torch.equal(layer.weight[1:], others)
            previous = end(begun)

    def test_statistics_and_dropout_are_frozen_after_the_first_step(
        self, successor, losses_of, name
    ):
        step = successor({"type": name})
        step.learner.train()
        before = {key: value.clone() for key, value in step.network.named_buffers()}
        losses_of(step)
        assert all(torch.equal(value, before[key]) for key, value in step.network.named_buffers())
        assert not step.network.decode_head.dropout.training

    def test_old_rows_get_nothing_from_the_loss_of_the_task(self, successor, name):
        step = successor({"type": name})
        outputs = step.adapter.outputs(step.inputs)
        loss = step.method.task_loss(step.adapter, outputs, step.samples)
        loss["decode.loss_mbce"].backward()
        gradient = step.network.decode_head.conv_seg.weight.grad
        assert gradient[:2].abs().max() == 0
        assert gradient[2].abs().max() > 0


@pytest.mark.parametrize("name", METHODS)
def test_a_first_step_of_another_method_keeps_its_predictions(engine_steps, tmp_path, name):
    changes = {**SHORT, **MODEL, "method": {"type": "FineTune"}, "train_cfg": {"max_iters": 12}}
    start, _ = engine_steps("start", changes)
    changes = {**SHORT, **MODEL, "method": {"type": name}}
    first = tmp_path / "start/step_00/checkpoint.pth"
    results, saved = engine_steps(name, changes, init_from=first)
    assert results["matrix"][0] == start["matrix"][0]
    for checkpoint in saved:
        assert checkpoint["state_dict"]["decode_head.conv_seg.weight"][0].abs().max() == 0
        assert checkpoint["state_dict"]["decode_head.conv_seg.bias"][0] == 0
