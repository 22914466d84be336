"""What a step reads: relabelled images whose randomness is a function of the draw."""

import os
import shutil
from itertools import islice

import numpy as np
import pytest
import torch
from mmengine.runner import Runner
from mmseg.datasets.transforms import LoadAnnotations
from torch.utils.data import DataLoader, Dataset

from vdfd_seg.datasets.data import Sample
from vdfd_seg.datasets.sampler import DrawSampler
from vdfd_seg.datasets.segmentation.data import one_pass
from vdfd_seg.datasets.segmentation.task_dataset import TaskDataset
from vdfd_seg.errors import InputError

RANDOM = [
    {"type": "LoadImageFromFile"},
    {"type": "LoadAnnotations"},
    {"type": "RandomResize", "scale": (24, 24), "ratio_range": (0.5, 2.0), "keep_ratio": True},
    {"type": "RandomCrop", "crop_size": (16, 16)},
    {"type": "RandomFlip", "prob": 0.5},
    {"type": "PhotoMetricDistortion"},
    {"type": "Pad", "size": (16, 16), "pad_val": {"img": 0, "seg": 255}},
    {"type": "PackSegInputs"},
]
PLAIN = [RANDOM[0], RANDOM[1], RANDOM[-1]]


@pytest.fixture
def dataset(tiny_data):
    """What the second step trains on."""
    data = tiny_data()
    return lambda pipeline, seed=0: data.dataset("train", data.train_samples(1), pipeline, seed)


def pixels(packed):
    return packed["inputs"].numpy(), packed["data_samples"].gt_sem_seg.data.numpy()


def same(first, second):
    return all(np.array_equal(a, b) for a, b in zip(pixels(first), pixels(second), strict=True))


def test_a_draw_is_a_function_of_seed_and_number(dataset):
    first, second = dataset(RANDOM, seed=5), dataset(RANDOM, seed=5)
    for draw in (3, 0, 9):
        np.random.rand(draw)
        torch.rand(draw)
        assert same(first[1, draw], second[1, draw])
    assert not same(first[1, 3], first[1, 4])
    assert not same(first[1, 3], dataset(RANDOM, seed=6)[1, 3])


def test_workers_change_nothing(dataset):
    served = dataset(RANDOM)

    def batches(workers):
        loader = DataLoader(
            served, 3, sampler=DrawSampler(served, 1), num_workers=workers, collate_fn=list
        )
        return [item for batch in islice(loader, 4) for item in batch]

    pairs = list(zip(batches(0), batches(2), strict=True))
    assert len(pairs) == 12
    assert all(same(a, b) for a, b in pairs)


class Groups(Dataset):
    """The process group of who reads, and what the config's own function has left there."""

    started: tuple = ()

    def __len__(self):
        return 2

    def __getitem__(self, key):
        return {"group": os.getpgid(0), "started": self.started}


def note(worker_id, number):
    Groups.started = (worker_id, number)


def test_workers_have_a_group_of_their_own_and_call_the_configs_function(tiny_data):
    """A terminal's Ctrl-C, which the whole group gets, must reach only who trains."""
    data, cfg = tiny_data(), {"num_workers": 1, "batch_size": 1, "dataset": {"pipeline": []}}
    own = {"worker_init_fn": {"type": note, "number": 7}}
    endless = data._endless(Groups(), DrawSampler(Groups(), 1), {**cfg, **own})
    for loader, started in (
        (one_pass(Groups(), cfg), ()),
        (one_pass(Groups(), {**cfg, **own}), (0, 7)),
        (Runner.build_dataloader(endless), (0, 7)),
    ):
        batch = next(iter(loader))
        assert batch["group"] != [os.getpgid(0)]
        assert tuple(part for values in batch["started"] for part in values) == started


def kinds(served):
    return [type(transform).__name__ for transform in served.pipeline.transforms]


@pytest.mark.parametrize("name", ["LoadAnnotations", "mmseg.LoadAnnotations", LoadAnnotations])
def test_masking_is_put_once_behind_the_annotations(dataset, name):
    found = kinds(dataset([PLAIN[0], {"type": name}, PLAIN[2]]))
    assert found == ["LoadImageFromFile", "LoadAnnotations", "MaskLabels", "PackSegInputs"]


def test_masking_in_the_config_is_not_doubled(dataset):
    pipeline = [PLAIN[0], PLAIN[1], {"type": "RandomFlip", "prob": 0.0},
                {"type": "vdfd_seg.MaskLabels"}, PLAIN[2]]  # fmt: skip
    served = dataset(pipeline)
    assert kinds(served).count("MaskLabels") == 1
    assert set(np.unique(pixels(served[0])[1])) <= {0, 2, 255}


def test_an_unreadable_image_is_named(tiny_root, tiny_dataset_cfg, tmp_path):
    from mmseg.registry import DATASETS

    root = shutil.copytree(tiny_root, tmp_path / "copy")
    source = DATASETS.build(tiny_dataset_cfg("train", root, pipeline=[]))
    served = TaskDataset(source, [Sample(0, tuple(range(256)))], PLAIN, {})
    served[0]
    image = root / "JPEGImages/t0.png"
    image.write_bytes(b"no image")
    with pytest.raises(InputError, match=r"cannot read '.*t0\.png' with mask '.*t0\.png'"):
        served[0]
    image.unlink()
    with pytest.raises(InputError, match="FileNotFoundError"):
        served[0]
