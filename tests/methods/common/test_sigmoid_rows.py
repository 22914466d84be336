"""Foreground classes with a sigmoid each next to a background row of zeros."""

import math

import pytest
import torch

from tests.test_method_contract import MODEL, SHORT
from tests.tiny import changed, tiny_config, write_config, write_scenes
from vdfd_seg.engine.input.settings import load_run
from vdfd_seg.engine.run.sequence import train_sequence
from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method
from vdfd_seg.methods.common.sigmoid_rows import foreground_loss, subtract_background
from vdfd_seg.models import SegmentationAdapter

METHODS = ("STAR", "DKD")


class TestForegroundLoss:
    def test_by_hand(self):
        # Sigmoids 3/4 and 1/2 of classes 2 and 3 at a pixel of class 2, of an old one, of none.
        logits = torch.tensor([math.log(3), 0.0]).view(1, 2, 1, 1).expand(1, 2, 1, 3)
        labels = torch.tensor([[[2, 1, 255]]])
        no = -math.log(0.25) - math.log(0.5)
        expected = [-4 * math.log(0.75) - math.log(0.5), no, no]
        assert foreground_loss(logits, labels, 2, 4.0).flatten().tolist() == pytest.approx(expected)


class TestSubtraction:
    @pytest.fixture
    def network(self, tiny_network):
        network = tiny_network(5)
        torch.manual_seed(0)
        with torch.no_grad():
            network.decode_head.conv_seg.weight.normal_()
            network.decode_head.conv_seg.bias.normal_()
        return network

    @pytest.fixture
    def features(self, network):
        return torch.randn(2, network.decode_head.conv_seg.in_channels, 16, 16)

    def test_changes_no_prediction_of_a_softmax_network(self, network, features):
        with torch.no_grad():
            before = network.decode_head.conv_seg(features)
            subtract_background(SegmentationAdapter(network), 5)
            after = network.decode_head.conv_seg(features)
        assert len(before.argmax(1).unique()) == 5
        assert torch.equal(after.argmax(1), before.argmax(1))
        assert torch.allclose(after.softmax(1), before.softmax(1), atol=1e-6)
        assert torch.equal(after[:, 0], torch.zeros_like(after[:, 0]))

    def test_rows_of_new_classes_stay(self, network):
        layer = network.decode_head.conv_seg
        weight, bias = layer.weight.detach().clone(), layer.bias.detach().clone()
        subtract_background(SegmentationAdapter(network), 3)
        assert torch.equal(layer.weight[3:], weight[3:])
        assert torch.equal(layer.bias[3:], bias[3:])
        assert torch.equal(layer.bias[:3], bias[:3] - bias[0])


@pytest.mark.parametrize("name", METHODS)
class TestStep:
    @pytest.mark.parametrize(
        ("optimizer", "settings"),
        [
            (torch.optim.SGD, {"momentum": 0.9, "weight_decay": 0.1, "nesterov": True}),
            (torch.optim.AdamW, {"weight_decay": 0.1}),
        ],
    )
    def test_the_background_row_stays_zero(self, begin, train, end, name, optimizer, settings):
        previous = None
        for step in range(2):
            begun = begin({"type": name}, step, previous)
            layer = begun.network.decode_head.conv_seg
            others = layer.weight[1:].detach().clone()
            train(begun, updates=3, lr=0.01, optimizer=optimizer, **settings)
            assert layer.weight[0].abs().max() == 0 and layer.bias[0] == 0
            assert not torch.equal(layer.weight[1:], others)
            previous = end(begun)

    def test_statistics_are_frozen_after_the_first_step(self, begin, train, end, losses_of, name):
        def statistics(step):
            named = step.network.state_dict().items()
            return [value.clone() for key, value in named if "running" in key]

        first = begin({"type": name})
        before = statistics(first)
        train(first)
        assert not all(map(torch.equal, statistics(first), before))
        second = begin({"type": name}, 1, end(first))
        second.learner.train()
        before = statistics(second)
        losses = losses_of(second)
        assert all(map(torch.equal, statistics(second), before))
        torch.manual_seed(1)
        # No dropout either.
        again = second.learner(second.inputs, second.samples, mode="loss")
        assert all(torch.equal(losses[key], again[key]) for key in losses)
        assert not second.network.decode_head.dropout.training

    def test_old_rows_get_nothing_from_the_loss_of_the_task(self, begin, train, end, name):
        first = begin({"type": name})
        train(first)
        step = begin({"type": name}, 1, end(first))
        outputs = step.adapter.outputs(step.inputs)
        loss = step.method.task_loss(step.adapter, outputs, step.samples)
        loss["decode.loss_mbce"].backward()
        gradient = step.network.decode_head.conv_seg.weight.grad
        assert gradient[:2].abs().max() == 0
        assert gradient[2].abs().max() > 0

    def test_auxiliary_heads_keep_their_losses(self, begin, losses_of, name):
        own = losses_of(begin({"type": name}, auxiliary=1))
        usual = losses_of(begin({"type": "FineTune"}, auxiliary=1))
        assert torch.equal(own["aux.loss_ce"], usual["aux.loss_ce"])


@pytest.mark.parametrize("name", [*METHODS, "SSUL"])
def test_what_has_no_background_is_refused(tiny_protocol, domains, name):
    for protocol in (domains, tiny_protocol(background=None, unseen="ignore")):
        with pytest.raises(InputError, match=f"method {name} is for class-incremental"):
            build_method({"type": name}).check(protocol)


@pytest.fixture(scope="module")
def softmax_start(tmp_path_factory):
    """A config, and the outcome of a step 0 that fine-tuning trained."""
    root = tmp_path_factory.mktemp("softmax")
    config = changed(tiny_config(write_scenes(root / "data")), {**SHORT, **MODEL})
    config["train_cfg"] = {"max_iters": 12}
    config = changed(config, {"method": {"type": "FineTune"}})
    settings = load_run(write_config(root / "finetune.py", config))
    return config, root, train_sequence(settings, root / "finetune", steps=range(1))


@pytest.mark.parametrize("name", METHODS)
def test_a_first_step_of_another_method_keeps_its_predictions(softmax_start, name):
    config, root, start = softmax_start
    config = changed(config, {"method": {"type": name}, "train_cfg": {"max_iters": 2}})
    settings = load_run(write_config(root / f"{name}.py", config))
    first = root / "finetune" / "step_00" / "checkpoint.pth"
    results = train_sequence(settings, root / name, init_from=first, steps=range(2))
    assert results["matrix"][0] == start["matrix"][0]
    for step in range(2):
        path = root / name / f"step_{step:02d}" / "checkpoint.pth"
        state = torch.load(path, weights_only=True)["state_dict"]
        assert state["decode_head.conv_seg.weight"][0].abs().max() == 0
        assert state["decode_head.conv_seg.bias"][0] == 0
