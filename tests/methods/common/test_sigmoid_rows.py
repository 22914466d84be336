"""Foreground classes with a sigmoid each next to a background row of zeros."""

import pytest
import torch

from tests.test_method_contract import MODEL, SHORT

METHODS = ("STAR", "DKD")


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("name", METHODS)
def test_the_background_row_stays_zero(begin, train, end, name, optimizer):
    previous = None
    for step in range(2):
        begun = begin({"type": name}, step, previous)
        layer = begun.network.decode_head.conv_seg
        others = layer.weight[1:].detach().clone()
        train(begun, updates=3, lr=0.01, optimizer=optimizer, weight_decay=0.1)
        assert layer.weight[0].abs().max() == 0 and layer.bias[0] == 0
        assert not torch.equal(layer.weight[1:], others)
        previous = end(begun)


@pytest.mark.parametrize("name", METHODS)
def test_statistics_and_dropout_are_frozen_after_the_first_step(successor, losses_of, name):
    step = successor({"type": name})
    step.learner.train()
    before = {key: value.clone() for key, value in step.network.named_buffers()}
    losses_of(step)
    assert all(torch.equal(value, before[key]) for key, value in step.network.named_buffers())
    assert not step.network.decode_head.dropout.training


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
