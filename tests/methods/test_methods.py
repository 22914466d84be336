import os

import pytest
import torch
from mmengine.config import Config

from tests.methods.test_contract import CASES
from vdfd_seg.engine.input.validation import check_method
from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method


@pytest.mark.parametrize(
    ("cfg", "message"),
    [
        ({"type": "VDDF"}, "unknown method 'VDDF'. Did you mean 'VDFD'"),
        ({"type": "finetune"}, "Did you mean 'FineTune'"),
        ({}, "unknown method 'None'.*Valid names: .*FineTune"),
        ({"type": 3}, "unknown method '3'"),
        ("VDFD", "method must be a dict"),
        ({"type": "VDFD", "wieght": 1}, "method VDFD 'wieght'. Did you mean 'weight'"),
        ({"type": "LwF", "gausians": 0.1}, "method LwF 'gausians'. Did you mean 'gaussians'"),
    ],
)
def test_what_cannot_be_built_is_refused_before_training(cfg, message):
    with pytest.raises(InputError, match=message):
        build_method(cfg)


REPLAY = {"type": "VDFDPlus", "replay": 64}
UNFIT = [
    *(({"type": name}, kind, f"method {name} is for class-incremental")
      for name in ("BARM", "DKD", "SSUL", "STAR") for kind in ("domains", "no background")),
    *(({"type": name, "new_rows": start}, "classes", f"new_rows='{start}'")
      for name in ("BARM", "DFT", "DKD", "SSUL", "STAR") for start in ("pretuned", "balanced")),
    ({"type": "DFT"}, "domains", "method DFT: it is for class-incremental"),
    ({"type": "EWC", "estimator": "facil"}, "classes", "facil' is for class.* Take 'image'"),
    ({"type": "MAS", "estimator": "facil"}, "classes", "facil' is for class.* Take 'image'"),
    ({"type": "ICaRL", "exemplars": 5}, "images", "exemplars=5 is less than one for each of the 6"),
    ({"type": "LwF", "gaussians": 0.5}, "classes", "gaussians=0.5 is for classification"),
    ({"type": "SSUL", "saliency": "/no/maps"}, "classes", "saliency='/no/maps' is not a folder"),
    ({"type": "VDFD", "old_rows": "penalised"}, "images", "old_rows='penalised' is for segm"),
    ({"type": "VDFD", "old_rows": "frozen"}, "domains", "frozen.*class-incremental"),
    (REPLAY, "images", "method.gaussians"),
]  # fmt: skip
"""Methods, protocols that they are not for, and what is said."""


@pytest.mark.parametrize(("cfg", "kind", "message"), UNFIT)
def test_a_protocol_that_a_method_is_not_for_is_refused(
    tiny_protocol, domains, tiny_classification, cfg, kind, message
):
    protocol = {
        "classes": tiny_protocol(),
        "domains": domains,
        "images": tiny_classification("class").protocol,
        "no background": tiny_protocol(background=None, unseen="ignore"),
    }[kind]
    with pytest.raises(InputError, match=message):
        check_method(build_method(cfg), Config({"method": cfg, "model": {}}), protocol)


@pytest.mark.parametrize("options", [{"estimator": "image"}, {"estimator": None, "gaussians": 0}])
def test_an_option_for_the_other_problem_may_have_values_that_are_for_both(tiny_protocol, options):
    cfg = {"type": "EWC", **options}
    check_method(build_method(cfg), Config({"method": cfg, "model": {}}), tiny_protocol())


@pytest.mark.parametrize(
    "cfg",
    [
        {"type": "VDFD"}, {"type": "EWC", "estimator": "image"}, {"type": "EWC"},
        {"type": "ICaRL", "exemplars": 10}, {"type": "LwF", "gaussians": 0.1},
    ],
)  # fmt: skip
def test_remembering_a_task_changes_nothing_in_the_network(begin, end, tiny_classification, cfg):
    step = begin(cfg, data=tiny_classification())
    before = {name: value.clone() for name, value in step.network.state_dict().items()}
    frozen = [p.requires_grad for p in step.network.parameters()]
    end(step)
    assert all(module.training for module in step.network.modules())
    assert [p.requires_grad for p in step.network.parameters()] == frozen
    assert all(p.grad is None for p in step.network.parameters())
    assert all(torch.equal(v, before[k]) for k, v in step.network.state_dict().items())


def test_joint_training_reads_every_image_so_far_and_says_so(tiny_data, tiny_root):
    data, method = tiny_data(), build_method({"type": "Joint"})
    assert "old_images" in method.requires
    assert method.select(data, 1, {}) == data.cumulative_samples(1)
    names = {data.train.names[s.image] for s in data.cumulative_samples(1)}
    files = [tiny_root / folder / f"{name}.png"
             for folder in ("JPEGImages", "SegmentationClass") for name in names]  # fmt: skip
    assert method.stored_data_bytes(data, 1) == sum(map(os.path.getsize, files))


@pytest.mark.parametrize(("name", "hidden"), [("FineTune", [0, 2]), ("Joint", [0, 0])])
def test_whether_labels_hide_the_old_classes(begin, end, name, hidden):
    first = begin({"type": name})
    second = begin({"type": name}, 1, end(first))
    assert [step.method.num_hidden(step.context) for step in (first, second)] == hidden


TASK_LOSSES = {
    "DKD": {"decode.loss_mbce", "loss_ac"}, "STAR": {"decode.loss_mbce"},
    "BARM": {"decode.loss_bce"}, "LwFMC": {"decode.loss_bce"}, "SSUL": {"decode.loss_bce"},
}  # fmt: skip
"""The losses of a first step, where they are not the main head's cross-entropy alone."""


def loss_names(losses):
    return {name for name in losses if "loss" in name}


@pytest.mark.parametrize("name", [name for name, case in CASES if case == "segmentation"])
def test_a_first_step_has_the_loss_of_its_task_alone(begin, losses_of, name):
    found = loss_names(losses_of(begin({"type": name})))
    assert found == TASK_LOSSES.get(name, {"decode.loss_ce"})


@pytest.mark.parametrize("name", ["EWC", "MAS", "SI", "VDFD", "VDFDPlus"])
def test_a_weight_of_zero_adds_no_term_and_nothing_to_train(successor, losses_of, name):
    step = successor({"type": name, "weight": 0.0})
    assert loss_names(losses_of(step)) == {"decode.loss_ce"}
    assert list(step.method.parameters()) == []


@pytest.mark.parametrize("name", ["BARM", "DKD", "LwFMC", "SSUL", "STAR"])
def test_auxiliary_heads_keep_their_losses(begin, losses_of, name):
    own, usual = (losses_of(begin({"type": each}, auxiliary=2)) for each in (name, "FineTune"))
    for key in ("aux_0.loss_ce", "aux_1.loss_ce"):
        assert torch.equal(own[key], usual[key])


@pytest.mark.parametrize(("name", "part"), [("DKD", "auxiliary"), ("SSUL", "unknown")])
def test_new_rows_begin_as_copies_of_a_row_that_goes_on(successor, two_and_two, name, part):
    step = successor({"type": name}, protocol=two_and_two)
    row, layer = step.previous.carried[part], step.network.decode_head.conv_seg
    assert row.abs().max() > 0
    for kind in (3, 4):
        assert torch.equal(layer.weight[kind].flatten(), row[:-1])
        assert layer.bias[kind] == row[-1]
    assert torch.equal(getattr(step.method, part).carried(), row)


@pytest.mark.parametrize("name", ["ILT", "LwF", "LwFMC", "MiB", "PLOP", "RCIL"])
def test_the_teacher_sees_the_images_once_an_iteration_without_a_gradient(taught, losses_of, name):
    step, _ = taught({"type": name}, updates=0)
    teacher, calls = step.method.teacher, []
    assert not any(module.training for module in teacher.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    teacher.backbone.register_forward_hook(lambda *_: calls.append(1))
    losses_of(step)
    assert len(calls) == 1


@pytest.mark.parametrize("name", ["ILT", "LwF", "LwFMC", "MiB", "PLOP", "RCIL"])
def test_the_teacher_computes_as_precisely_as_the_network_that_trains(taught, losses_of, name):
    step, _ = taught({"type": name}, updates=0)
    kinds = {}
    for role, network in {"new": step.network, "old": step.method.teacher}.items():
        network.backbone.register_forward_hook(
            lambda _, inputs, maps, role=role: kinds.update({role: maps[-1].dtype})
        )
    with torch.autocast("cpu", torch.bfloat16):
        losses_of(step)
    assert kinds == {"new": torch.bfloat16, "old": torch.bfloat16}


def test_a_process_without_an_image_takes_the_teacher_as_it_is(taught, losses_of, monkeypatch):
    """A step may have fewer images than there are processes."""
    step, _ = taught({"type": "MiB"}, updates=0)
    folded = losses_of(step)
    context = step.context
    monkeypatch.setattr(context, "batches", lambda limit=None: iter(()))
    step.method.before_task(context)
    torch.testing.assert_close(losses_of(step), folded)
