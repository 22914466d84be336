"""Building methods; fine-tuning and joint training."""

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


def test_arguments_reach_the_method():
    method = build_method({"type": "VDFD", "weight": 3.0, "rank": 2})
    assert (method.weight, method.rank) == (3.0, 2)


@pytest.mark.parametrize(
    "name", ["FineTune", "ILT", "Joint", "LwF", "LwFMC", "MiB", "PLOP", "VDFDPlus"]
)
def test_methods_that_carry_nothing(successor, train, end, name):
    step = successor({"type": name}, updates=1)
    train(step, updates=1)
    assert step.previous.carried == end(step).carried == {}


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


class TestFineTune:
    def test_reads_its_own_images(self, tiny_data):
        method, data = build_method({"type": "FineTune"}), tiny_data()
        assert method.select(data, 2, {}) == data.train_samples(2)

    def test_labels_hide_the_old_classes(self, begin, end):
        first = begin({"type": "FineTune"})
        assert first.method.num_hidden(first.context) == 0
        second = begin({"type": "FineTune"}, 1, end(first))
        assert second.method.num_hidden(second.context) == 2


class TestJoint:
    def test_reads_every_image_so_far_and_says_so(self, tiny_data, tiny_root):
        data, method = tiny_data(), build_method({"type": "Joint"})
        assert "old_images" in method.requires
        assert method.select(data, 1, {}) == data.cumulative_samples(1)
        names = {data.train.index.names[s.image] for s in data.cumulative_samples(1)}
        files = [tiny_root / folder / f"{name}.png"
                 for folder in ("JPEGImages", "SegmentationClass") for name in names]  # fmt: skip
        assert method.stored_data_bytes(data, 1) == sum(map(os.path.getsize, files))

    def test_hides_no_class(self, begin, end):
        second = begin({"type": "Joint"}, 1, end(begin({"type": "Joint"})))
        assert second.method.num_hidden(second.context) == 0
