"""RCIL on tiny steps: its losses against plain formulas, its branches from step to step."""

import copy
import math

import pytest
import torch
import torch.nn.functional as F

from vdfd_seg.methods import build_method
from vdfd_seg.methods.rcil.compensation import branches
from vdfd_seg.utils.checkpoint import nbytes, to_plain

UNCE = {"type": "vdfd_seg.UnbiasedCrossEntropyLoss"}
NO_DROPOUT = {"dropout_ratio": 0.0}
MOBILE = {"backbone": "mobilenet", "head": "DepthwiseSeparableASPPHead"}


def found(step):
    outputs = step.adapter.outputs(step.inputs)
    return outputs, step.method.extra_losses(step.adapter, outputs, step.samples)


def plain_maps(teacher, inputs):
    seen = []
    handle = teacher.decode_head.conv_seg.register_forward_pre_hook(lambda _, x: seen.append(x[0]))
    with torch.no_grad():
        features = teacher.extract_feat(inputs)
        logits = teacher.decode_head(features)
    handle.remove()
    return [*features, *seen, logits]


def frobenius(maps):
    return sum(image.square().sum().sqrt() for image in maps) / len(maps)


def spatial(x, y):
    """The published loop over window sizes, with the full window at once."""
    each = []
    for size in (4, 8, 12, 16, 20, 24):
        kernel = torch.full((1, 1, size, size), 1 / size**2, dtype=torch.float64)
        maps = (x.double() ** 2 - y.double() ** 2).flatten(0, 1)[:, None]
        pooled = F.conv2d(F.pad(maps, [size // 2] * 4), kernel)
        each.append(frobenius(pooled.view(len(x), -1)))
    return sum(each) / 6


def channel(x, y):
    squares = F.pad(x.double() ** 2 - y.double() ** 2, (0, 0, 0, 0, 1, 1))
    return frobenius((squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]) / 3)


class TestLosses:
    @pytest.mark.parametrize("head", ["ASPPHead", "DepthwiseSeparableASPPHead"])
    def test_maps_are_distilled_by_the_plain_formulas(self, taught, head):
        step, teacher = taught({"type": "RCIL"}, backbone="mobilenet", head=head, **NO_DROPOUT)
        outputs, losses = found(step)
        new = [*outputs.features, outputs.embedding, outputs.logits]
        # The one new class is what the old network calls background.
        new[-1] = torch.stack([new[-1][:, 0] + new[-1][:, 2], new[-1][:, 1]], 1)
        old = plain_maps(teacher, step.inputs)
        assert len(new) == len(old) == 6
        each = [spatial(x, y) for x, y in zip(new, old, strict=True)]
        expected = math.sqrt(3) * (0.01 * sum(each[:5]) + 5e-4 * each[5]) / 6
        assert losses["loss_spatial"].item() == pytest.approx(expected.item(), rel=1e-4)
        each = [channel(x, y) for x, y in zip(new[:5], old[:5], strict=True)]
        expected = math.sqrt(3) * (0.01 * sum(each[:4]) + 5e-4 * each[4]) / 5
        assert losses["loss_channel"].item() == pytest.approx(expected.item(), rel=1e-4)

    def test_weights_reach_their_maps(self, taught):
        step, teacher = taught(
            {
                "type": "RCIL", "kd_weight": 0, "spatial_weight": 0, "spatial_logits_weight": 2.0,
                "channel_weight": 0, "channel_last_weight": 3.0,
            },
            **NO_DROPOUT,
        )  # fmt: skip
        outputs, losses = found(step)
        *_, embedding, logits = plain_maps(teacher, step.inputs)
        new = torch.stack([outputs.logits[:, 0] + outputs.logits[:, 2], outputs.logits[:, 1]], 1)
        expected = 2 * math.sqrt(3) * spatial(new, logits) / 6
        assert losses["loss_spatial"].item() == pytest.approx(expected.item(), rel=1e-4)
        expected = 3 * math.sqrt(3) * channel(outputs.embedding, embedding) / 5
        assert losses["loss_channel"].item() == pytest.approx(expected.item(), rel=1e-4)
        assert "loss_kd" not in losses

    def test_logits_are_distilled_as_in_mib(self, taught):
        step, teacher = taught({"type": "RCIL", "alpha": 2.0}, loss=UNCE)
        outputs, losses = found(step)
        new = F.interpolate(outputs.logits, (32, 32), mode="bilinear").softmax(1)
        with torch.no_grad():
            old = teacher.encode_decode(step.inputs, [s.metainfo for s in step.samples])
        old = (2 * old).softmax(1)
        expected = old[:, 0] * (new[:, 0] + new[:, 2]).log() + old[:, 1] * new[:, 1].log()
        assert losses["loss_kd"].item() == pytest.approx(-50 * expected.mean().item(), rel=1e-4)

    def test_are_the_plain_ones_over_domains(self, taught, domains):
        step, teacher = taught({"type": "RCIL"}, protocol=domains, **NO_DROPOUT)
        outputs, losses = found(step)
        new = [*outputs.features, outputs.embedding, outputs.logits]
        old = plain_maps(teacher, step.inputs)
        each = [spatial(x, y) for x, y in zip(new, old, strict=True)]
        expected = (0.01 * sum(each[:5]) + 5e-4 * each[5]) / 6
        assert losses["loss_spatial"].item() == pytest.approx(expected.item(), rel=1e-4)
        ours, theirs = (F.interpolate(maps[-1], (32, 32), mode="bilinear") for maps in (new, old))
        expected = -100 * (theirs.softmax(1) * ours.log_softmax(1)).mean()
        assert losses["loss_kd"].item() == pytest.approx(expected.item(), rel=1e-4)

    def test_first_step_has_none_and_the_teacher_is_let_go(self, taught, begin, end):
        assert found(begin({"type": "RCIL"}))[1] == {}
        step, _ = taught({"type": "RCIL"})
        end(step)
        assert step.method.extra_losses(step.adapter, None, step.samples) == {}

    def test_extreme_maps_under_autocast(self, taught, losses_of):
        step, _ = taught({"type": "RCIL"}, loss=UNCE)
        with torch.no_grad():
            for parameter in step.method.teacher.backbone.layer4.parameters():
                parameter.mul_(20)
        with torch.autocast("cpu", torch.bfloat16):
            losses = losses_of(step)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        assert all(value.isfinite().all() for value in losses.values())
        trained = [p for p in step.network.parameters() if p.requires_grad]
        assert all(p.grad.isfinite().all() for p in trained)


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

    @pytest.fixture
    def second(self, first, begin, train, end, settings):
        previous = end(first)
        return begin({"type": "RCIL"}, 1, previous, **settings), previous

    def test_first_step_of_an_untrained_network_draws_both_branches(self, begin, settings):
        step, again = (begin({"type": "RCIL"}, **settings) for _ in range(2))
        for one, two in zip(*(branches(s.network).values() for s in (step, again)), strict=True):
            assert not torch.equal(one.first.conv.weight, one.second.conv.weight)
            assert torch.equal(one.second.conv.weight, two.second.conv.weight)

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

    def test_next_step_freezes_the_folded_and_goes_on_with_the_other(self, first, begin, end,
                                                                     settings):  # fmt: skip
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

    def test_frozen_branches_do_not_move(self, second, train):
        step, _ = second
        before = {n: copy.deepcopy(b.first.state_dict()) for n, b in branches(step.network).items()}
        moving = {n: b.second.conv.weight.clone() for n, b in branches(step.network).items()}
        train(step, updates=3, momentum=0.9, weight_decay=0.1)
        for name, layer in branches(step.network).items():
            for key, value in layer.first.state_dict().items():
                assert torch.equal(value, before[name][key]), (name, key)
            assert not torch.equal(layer.second.conv.weight, moving[name])

    def test_old_network_is_the_folded_one(self, second, tiny_network, settings):
        step, previous = second
        plain = tiny_network(2, **settings)
        plain.load_state_dict(previous.state)
        expected = evaluated(plain, step.inputs)
        assert torch.equal(evaluated(step.method.teacher, step.inputs), expected)

    def test_carried_are_the_second_branches(self, first, end):
        seconds = {n: b.second.state_dict() for n, b in branches(first.network).items()}
        expected = to_plain({"branches": seconds})
        carried = to_plain(end(first).carried)
        assert nbytes(carried) == nbytes(expected)
        for name, state in expected["branches"].items():
            for key, value in state.items():
                kept = torch.as_tensor(carried["branches"][name][key])
                assert torch.equal(kept.flatten(), value.flatten()), (name, key)

    def test_a_first_step_of_another_method_is_left_as_it_was(self, begin, train, end, settings):
        """--init-from, and weights from ImageNet: both branches begin where the network is."""
        step = begin({"type": "FineTune"}, **settings)
        train(step)
        before = copy.deepcopy(evaluated(step.network, step.inputs))
        step.method = build_method({"type": "RCIL"})
        step.method.before_task(step.context)
        assert torch.allclose(evaluated(step.network, step.inputs), before, atol=1e-5)
        weights = [p.clone() for layer in branches(step.network).values()
                   for p in layer.first.parameters()]  # fmt: skip
        previous = end(step)
        assert previous.carried == {}
        assert torch.allclose(evaluated(step.network, step.inputs), before, atol=1e-5)
        again = begin({"type": "RCIL"}, 1, previous, **settings)
        kept = [p for layer in branches(again.network).values() for p in layer.first.parameters()]
        assert all(map(torch.equal, kept, weights))
        twins = [p for layer in branches(again.network).values() for p in layer.second.parameters()]
        assert all(map(torch.equal, twins, weights))

    def test_half_a_step_goes_on_equally(self, second, begin, losses_of, settings):
        step, previous = second
        optimizer = {}

        def go(step, updates, state=None):
            made = torch.optim.SGD(step.learner.parameters(), lr=0.05, momentum=0.9)
            if state:
                made.load_state_dict(state)
            for number in updates:
                made.zero_grad()
                torch.manual_seed(number)
                losses = step.learner(step.inputs, step.samples, mode="loss")
                sum(v for k, v in losses.items() if "loss" in k).backward()
                made.step()
            optimizer[id(step)] = made
            return made

        saved = to_plain(go(step, range(2)).state_dict())
        middle = copy.deepcopy(to_plain(step.learner.state_dict()))
        go(step, range(2, 4), copy.deepcopy(saved))
        again = begin({"type": "RCIL"}, 1, previous, **settings)
        again.learner.load_state_dict(middle)
        go(again, range(2, 4), saved)
        for (name, one), two in zip(
            step.learner.state_dict().items(), again.learner.state_dict().values(), strict=True
        ):
            assert torch.equal(one, two), name


def test_another_method_goes_on_from_its_checkpoint(begin, train, end, losses_of):
    first = begin({"type": "RCIL"})
    train(first)
    previous = end(first)
    previous.carried = {}
    step = begin({"type": "MiB"}, 1, previous)
    assert branches(step.network) == {}
    assert all(value.isfinite() for value in losses_of(step).values())
