import os

import pytest
import torch

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
