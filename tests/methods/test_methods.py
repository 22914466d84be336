"""Building methods; fine-tuning and joint training."""

import os

import pytest

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
        ({"type": "VDFD", "weight": "much"}, "method VDFD: "),
        ({"type": "VDFD", "weight": -1}, "weight=-1 must not be negative"),
        ({"type": "VDFD", "weight": float("nan")}, "weight=nan"),
        ({"type": "VDFD", "rank": 0}, "rank=0 must be at least 1"),
        ({"type": "VDFD", "eps": 0}, "eps=0 must be above 0"),
        ({"type": "VDFD", "images": 0}, "images=0 must be None or at least 1"),
        ({"type": "VDFD", "precision": "gnc"}, "unknown precision 'gnc'. Did you mean 'gcn'"),
        ({"type": "VDFD", "precision": None}, "unknown precision 'None'"),
        (
            {"type": "VDFD", "precision": {"type": "GCN", "lr": 0}},
            "precision GCN: lr=0 must be above 0",
        ),
        ({"type": "VDFD", "old_rows": "fixed"}, "old_rows='fixed' is not one of"),
        ({"type": "VDFD", "unknown": "ignore"}, "unknown='ignore' is not one of"),
        ({"type": "LwF", "gaussians": -0.1}, "method LwF: gaussians=-0.1 must not be negative"),
        ({"type": "LwF", "gaussians": "few"}, "method LwF: "),
        ({"type": "MiB", "fuse": "much"}, "method MiB: "),
        ({"type": "MiB", "fuse": -1}, "fuse=-1 must be from 0 to 1"),
        ({"type": "LwF", "gausians": 0.1}, "method LwF 'gausians'. Did you mean 'gaussians'"),
    ],
)
def test_what_cannot_be_built_is_refused_before_training(cfg, message):
    with pytest.raises(InputError, match=message):
        build_method(cfg)


def test_arguments_reach_the_method():
    method = build_method({"type": "VDFD", "weight": 3.0, "rank": 2})
    assert (method.weight, method.rank) == (3.0, 2)


class TestFineTune:
    def test_carries_nothing_and_reads_its_own_images(self, begin, train, end, tiny_data):
        step = begin({"type": "FineTune"})
        train(step)
        assert end(step).carried == {}
        data = tiny_data()
        assert step.method.select(data, 2, {}) == data.train_samples(2)

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
