"""RCIL on tiny steps: its losses against plain formulas, its branches from step to step."""

import copy
import math

import pytest
import torch

from tests.methods.plain import at_labels, maps_of_both
from vdfd_seg.losses import channel_cube_distance, spatial_cube_distance
from vdfd_seg.methods import build_method
from vdfd_seg.methods.rcil.compensation import branches
from vdfd_seg.utils.checkpoint import nbytes, to_plain

UNCE = {"type": "vdfd_seg.UnbiasedCrossEntropyLoss"}
NO_DROPOUT = {"dropout_ratio": 0.0}
WINDOWS = (4, 8, 12, 16, 20, 24)
MOBILE = {"backbone": "mobilenet", "head": "DepthwiseSeparableASPPHead"}


@pytest.mark.parametrize(
    ("domain", "head", "options"),
    [
        (False, "ASPPHead", {}),
        (False, "DepthwiseSeparableASPPHead", {}),
        (True, "ASPPHead", {}),
        # The weights of the last maps, and those of the others, alone.
        (False, "ASPPHead", {"spatial_weight": 0, "channel_weight": 0, "kd_weight": 0}),
        (False, "ASPPHead", {"spatial_logits_weight": 0, "channel_last_weight": 0, "alpha": 2}),
    ],
)
def test_losses_are_the_plain_formulas(taught, domains, domain, head, options):
    step, teacher = taught(
        {"type": "RCIL", **options}, domains if domain else None, backbone="mobilenet",
        head=head, loss=UNCE, **NO_DROPOUT,
    )  # fmt: skip
    outputs, logits, target = at_labels(step, teacher)
    losses = step.method.extra_losses(step.adapter, outputs, step.samples)
    new, old = maps_of_both(step, teacher, outputs)
    factor, q = 1, logits.softmax(1)
    if not domain:
        # The one new class is what the old network calls background.
        factor = math.sqrt(3)
        q = torch.stack([q[:, 0] + q[:, 2], q[:, 1]], 1)
    maps, last = options.get("spatial_weight", 0.01), options.get("spatial_logits_weight", 5e-4)
    each = [spatial_cube_distance(x, y, WINDOWS) for x, y in zip(new, old, strict=True)]
    expected = factor * (maps * sum(each[:5]) + last * each[5]) / 6
    assert losses["loss_spatial"].item() == pytest.approx(expected.item(), rel=1e-4)
    maps, last = options.get("channel_weight", 0.01), options.get("channel_last_weight", 5e-4)
    each = [channel_cube_distance(x, y, 3) for x, y in zip(new[:5], old[:5], strict=True)]
    expected = factor * (maps * sum(each[:4]) + last * each[4]) / 5
    assert losses["loss_channel"].item() == pytest.approx(expected.item(), rel=1e-4)
    if "kd_weight" in options:
        assert "loss_kd" not in losses
    else:
        p = (options.get("alpha", 1) * target).softmax(1)
        expected = -100 * (p * q.log()).mean()
        assert losses["loss_kd"].item() == pytest.approx(expected.item(), rel=1e-4)


def evaluated(network, inputs):
    with torch.no_grad():
        return copy.deepcopy(network).eval()(inputs)


class TestSteps:
    @pytest.fixture(params=[{}, MOBILE], ids=["resnet", "mobilenet"])
    def settings(self, request):
        return request.param

    @pytest.fixture
    def first(self, begin, train, settings):
        step = begin({"type": "RCIL"}, **settings)
        train(step, updates=3)
        return step

    def test_checkpoint_is_the_plain_network_and_predicts_the_same(
        self, first, end, tiny_network, settings
    ):
        assert branches(first.network)
        expected = evaluated(first.network, first.inputs)
        plain = tiny_network(2, **settings)
        state = end(first).state
        assert {k: v.shape for k, v in state.items()} == {
            k: v.shape for k, v in plain.state_dict().items()
        }
        assert list(state) == list(plain.state_dict())
        plain.load_state_dict(state)
        assert torch.allclose(evaluated(plain, first.inputs), expected, atol=1e-5)
        # What is evaluated after the step is what was written.
        assert torch.equal(evaluated(first.network, first.inputs), evaluated(plain, first.inputs))
        assert all(p.requires_grad for p in first.network.parameters())

    def test_next_step_freezes_the_folded_and_goes_on_with_the_other(
        self, first, begin, end, settings
    ):
        others = {
            name: copy.deepcopy(layer.second.state_dict())
            for name, layer in branches(first.network).items()
        }
        previous = end(first)
        step = begin({"type": "RCIL"}, 1, previous, **settings)
        layers = branches(step.network)
        assert list(layers) == list(others)
        for name, layer in layers.items():
            assert not any(p.requires_grad for p in layer.first.parameters())
            assert all(p.requires_grad for p in layer.second.parameters())
            assert torch.equal(layer.first.conv.weight, previous.state[f"{name}.weight"])
            for key, value in layer.second.state_dict().items():
                assert torch.equal(value, others[name][key]), (name, key)
        # They are all that is carried.
        assert nbytes(to_plain(previous.carried)) == nbytes(to_plain({"branches": others}))

    def test_a_first_step_of_another_method_is_left_as_it_was(self, begin, train, end, settings):
        """--init-from, and weights from ImageNet: both branches begin where the network is."""
        step = begin({"type": "FineTune"}, **settings)
        train(step)
        before = evaluated(step.network, step.inputs)
        step.method = build_method({"type": "RCIL"})
        step.method.before_task(step.context)
        assert torch.allclose(evaluated(step.network, step.inputs), before, atol=1e-5)
        weights = [copy.deepcopy(layer.first) for layer in branches(step.network).values()]
        previous = end(step)
        assert previous.carried == {}
        assert torch.allclose(evaluated(step.network, step.inputs), before, atol=1e-5)
        again = begin({"type": "RCIL"}, 1, previous, **settings)
        for layer, kept in zip(branches(again.network).values(), weights, strict=True):
            for branch in (layer.first, layer.second):
                assert all(map(torch.equal, branch.parameters(), kept.parameters()))
