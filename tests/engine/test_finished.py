"""A finished run, opened again: its networks are those that its checkpoints hold."""

import pytest
import torch
from vdfd_seg.engine.finished import FinishedRun

from tests.tiny import tiny_classifier_config, write_config
from vdfd_seg.datasets import write_digits
from vdfd_seg.errors import InputError


@pytest.fixture(scope="module")
def finished(train, tmp_path_factory):
    folder = tmp_path_factory.mktemp("finished")
    config = tiny_classifier_config(write_digits(folder / "digits"), {"type": "FineTune"}, "task")
    return train(file=write_config(folder / "tiny.py", config))


def test_networks_are_those_of_the_checkpoints(finished):
    run = FinishedRun(str(finished.file), finished.path)
    assert len(run.saved) == len(run.protocol.tasks)
    for step, saved in enumerate(run.saved):
        network = run.network(step)
        assert network.head_sizes == run.protocol.task_sizes(step)
        assert not network.training
        for name, value in network.state_dict().items():
            assert torch.equal(value, saved["state_dict"][name]), name


def test_a_tensor_that_is_changed_is_the_only_one(finished):
    run = FinishedRun(str(finished.file), finished.path)
    head = torch.zeros_like(run.saved[0]["state_dict"]["heads.0.weight"])
    changed = run.network(0, **{"heads.0.weight": head}).state_dict()
    unlike = {k for k, v in run.network(0).state_dict().items() if not torch.equal(v, changed[k])}
    assert unlike == {"heads.0.weight"}


def test_a_missing_step_is_named(finished, tmp_path):
    with pytest.raises(InputError, match="step_00"):
        FinishedRun(str(finished.file), tmp_path)


def test_a_segmentation_config_is_refused(tmp_path):
    with pytest.raises(InputError, match="is not of a classifier"):
        FinishedRun("finetune/finetune_deeplabv3_r18-d4_digitscenes-4-3", tmp_path)
