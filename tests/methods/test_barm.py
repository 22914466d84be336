"""BARM against its formulas written plainly, in a third step, from the old network itself."""

import shutil
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tests.methods.plain import softplus
from tests.test_method_contract import MODEL, SHORT, resume
from tests.test_resume import assert_same_run
from vdfd_seg.errors import InputError
from vdfd_seg.export import export_mmseg, export_onnx
from vdfd_seg.methods import build_method
from vdfd_seg.methods.barm import Ear, unified
from vdfd_seg.models import SegmentationAdapter

SIZE = (32, 32)
CFG = {"type": "BARM"}
THREE = {"tasks": [["background", "a", "b"], ["c"], ["d", "e"]],
         "classes": ["background", "a", "b", "c", "d", "e"]}  # fmt: skip
STARTS = [0, 3, 4, 6]
"""The first class of each step, and the number of all."""


@torch.no_grad()
def stir(ears):
    """Move them further than a few updates do."""
    for parameter in ears.parameters():
        parameter += 0.1 * torch.randn_like(parameter)


@pytest.fixture
def third(begin, train, end, tiny_protocol, tiny_network):
    """A third step moved away from its start, and the network of the second."""

    def make(updates=2, **options):
        cfg, previous = {**CFG, **options}, None
        protocol = tiny_protocol(**THREE)
        for number in (0, 1):
            step = begin(cfg, number, previous, protocol=protocol)
            train(step)
            stir(step.method.ears)
            previous = end(step)
        step = begin(cfg, 2, previous, protocol=protocol)
        step.previous = previous
        train(step, updates)
        if updates:
            stir(step.method.ears)
        old = tiny_network(STARTS[2])
        old.load_state_dict(previous.state)
        return step, SegmentationAdapter(old.eval())

    return make


def plain_heads(adapter, inputs, ears):
    """Each step's features and scores, a convolution being a product with unfolded windows."""
    with torch.no_grad():
        x = adapter.outputs(inputs).embedding.double()
    rows, bias = (part.detach().double() for part in adapter.classifier())
    count, width, *size = x.shape
    windows = F.unfold(x, 3, padding=1)
    maps, scores = [], []
    for number in range(len(ears) + 1):
        f, residual = x.flatten(2), []
        if number:
            conv, row = (ears[number - 1][key].double() for key in ("conv", "row"))
            f = (conv[:, :-1] @ windows + conv[:, -1:]).clamp(min=0)
            residual = [row[:, :-1] @ f + row[:, -1:]]
        own = range(len(rows))[STARTS[number] : STARTS[number + 1]]
        parts = [*residual, *((rows[c] @ f + bias[c])[:, None] for c in own)]
        maps.append(f)
        scores.append(torch.cat(parts, 1).view(count, -1, *size))
    return SimpleNamespace(maps=maps, scores=scores)


def plain_logits(scores, own=False):
    """The background's logit and those of the classes; with ``own`` the last residual whole."""
    background = scores[0][:, 0].clone()
    for number, each in enumerate(scores[1:], 2):
        whole = own and number == len(scores)
        background += each[:, 0] if whole else torch.minimum(each[:, 0], torch.zeros(1))
    return torch.cat([background[:, None], scores[0][:, 1:], *(s[:, 1:] for s in scores[1:])], 1)


def large(maps):
    return F.interpolate(maps, SIZE, mode="bilinear")


def test_losses_are_the_plain_reference(third, losses_of):
    options = {"threshold": 0.45, "residual_weight": 2.0, "new_weight": 3.0}
    step, old = third(**options, feature_weight=5.0, kd_weight=7.0)
    losses = losses_of(step)
    step.learner.eval()
    new = plain_heads(step.adapter, step.inputs, [ear.carried() for ear in step.method.ears])
    before = plain_heads(old, step.inputs, step.previous.carried["ears"])
    labels = step.adapter.labels(step.samples)

    best, found = large(plain_logits(before.scores)).sigmoid().max(1)
    certain = (labels == 0) & (found > 0) & (best >= 0.45)
    assert 0 < certain.sum() < (labels == 0).sum()
    pseudo, total = torch.where(certain, found, labels), 0
    logits = large(plain_logits(new.scores, own=True))
    for kind in (0, 4, 5):
        target = (pseudo == kind).double()
        q = logits[:, kind].sigmoid()
        total = total - target * q.log() - (1 - target) * (1 - q).log()
    expected = total[labels != 255].mean().item()
    # The cache is in half precision: a pixel may be on the other side of the threshold.
    assert losses["decode.loss_bce"].item() == pytest.approx(expected, rel=5e-3)

    cell = SIZE[0] // new.scores[0].shape[-1]
    middle = labels[:, cell // 2 :: cell, cell // 2 :: cell]
    b = new.scores[-1][:, 0]
    assert 0 < (b[middle == 0] < 0).sum()
    towards = [max((s - 1) ** 2 - s**2, 0) for s in b[middle == 0].sigmoid().tolist()]
    expected = 2 * sum(towards) / len(towards)
    assert losses["loss_residual"].item() == pytest.approx(expected, rel=1e-4)
    away = [softplus(value) for value in b[(middle > 0) & (middle < 255)].tolist()]
    assert losses["loss_new"].item() == pytest.approx(3 * sum(away) / len(away), rel=1e-4)

    mask = (middle == 0).flatten(1)[:, None]
    expected = 5 * sum(F.mse_loss(f * mask, g * mask) for f, g in zip(new.maps[:2], before.maps))
    assert losses["loss_features"].item() == pytest.approx(expected.item(), rel=2e-2)
    expected = 0.0
    for ours, theirs in zip(new.scores[:2], before.scores, strict=True):
        p, q = theirs.sigmoid(), ours.sigmoid()
        expected -= 7 * (p * q.log() + (1 - p) * (1 - q).log()).sum(1).mean().item()
    assert losses["loss_kd"].item() == pytest.approx(expected, rel=1e-3)


def test_the_logit_of_the_background_by_hand():
    scores = [torch.tensor([2.0, 5.0]), torch.tensor([-3.0, 6.0, 7.0]), torch.tensor([1.0, 8.0])]
    found = unified([each[None, :, None, None] for each in scores])
    # 2 - 3, and a residual that is positive changes nothing.
    assert found.flatten().tolist() == [-1.0, 5.0, 6.0, 7.0, 8.0]


def test_the_task_trains_what_is_new_alone(third, losses_of):
    step, _ = third()
    step.learner.zero_grad()
    losses = losses_of(step)
    old, new = step.method.ears
    layer = step.network.decode_head.conv_seg
    losses["decode.loss_bce"].backward(retain_graph=True)
    assert all(p.grad is None for p in old.parameters())
    assert layer.weight.grad[:4].abs().max() == 0 < layer.weight.grad[4:].abs().max()
    assert all(p.grad.abs().max() > 0 for p in new.parameters())
    # The distillation keeps what is old.
    losses["loss_kd"].backward()
    assert all(p.grad.abs().max() > 0 for p in old.parameters())
    assert layer.weight.grad[:4].abs().amin(0).max() > 0


def test_an_ear_begins_as_the_input_and_comes_back_from_what_is_carried(third):
    step, _ = third(updates=0)
    x = torch.rand(2, 8, 4, 4)
    new = step.method.ears[-1]
    assert torch.allclose(new(x), x) and new.residual(new(x)).abs().max() == 0
    kept = step.method.ears[0]
    again = Ear.of(kept.carried())
    assert again.first == 3 and not torch.allclose(again(x), x)
    assert torch.equal(again(x), kept(x))
    rates = [group["lr"] for group in step.method.optimizer.param_groups]
    assert rates == [0.0001, 0.001]


@torch.no_grad()
def predicted(method, step, inputs):
    """The logits that a method predicts from."""
    step.learner.eval()
    found = method.predict(step.adapter, inputs, None)
    return torch.stack([each.seg_logits.data for each in found])


def test_predictions_come_from_what_is_carried(third, end):
    step, _ = third()
    carried = end(step).carried
    method = build_method(CFG)
    method.restore(carried)
    found = predicted(method, step, step.inputs).double()
    heads = plain_heads(step.adapter, step.inputs, carried["ears"])
    assert torch.allclose(found, large(plain_logits(heads.scores)), atol=1e-5)
    # The network has its own prediction again.
    alone = predicted(build_method({"type": "FineTune"}), step, step.inputs)
    assert torch.allclose(found[:, 1:3], alone[:, 1:3].double(), atol=1e-5)
    assert not torch.allclose(found[:, 3:], alone[:, 3:].double(), atol=1e-2)


@pytest.mark.parametrize("name", ["BARM", "FineTune"])
def test_a_step_begins_with_the_predictions_of_the_one_before(begin, train, end, name):
    """Of old classes; a softmax of another method is converted."""
    first = begin({"type": name})
    train(first)
    before = predicted(first.method, first, first.inputs)
    step = begin(CFG, 1, end(first))
    after = predicted(step.method, step, first.inputs)[:, : before.shape[1]]
    assert torch.equal(after.argmax(1), before.argmax(1))
    shift = 0 if name == "BARM" else before[:, :1]
    assert torch.allclose(after, before - shift, atol=1e-5)


def test_weights_with_which_a_run_begins_are_converted(begin):
    """Those of ``--init-from`` and ``tools/adopt.py`` are there before the first step's method."""
    assert begin(CFG).network.decode_head.conv_seg.weight[0].abs().max() == 0


def test_a_third_step_resumes_to_the_bit_and_is_not_exported(config_file, interrupt, tmp_path):
    file = config_file({**SHORT, **MODEL, "method": CFG})
    interrupt(file, tmp_path / "resumed", step=2, at=2)
    shutil.copytree(tmp_path / "resumed", tmp_path / "whole")
    shutil.rmtree(tmp_path / "whole" / "step_02")
    whole, resumed = (resume(file, tmp_path / kind, 3) for kind in ("whole", "resumed"))
    assert_same_run(resumed, whole, step=2)
    last = whole.path / "step_02"
    for export, name in ((export_mmseg, "out.pth"), (export_onnx, "out.onnx")):
        with pytest.raises(InputError, match="BARM predicts otherwise than its network"):
            export(last / "checkpoint.pth", tmp_path / name)
