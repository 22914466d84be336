"""The checkpoints of a whole sequence: what a method carries, and the network."""

import pytest
import torch
from mmengine.runner import load_checkpoint
from mmseg.registry import MODELS

from tests.test_end_to_end import LABELS, SEEN
from tests.test_resume import checkpoint
from tests.tiny import TASKS
from vdfd_seg.engine.networks import model_config

pytestmark = pytest.mark.processor


def carried_bytes(value):
    """8 a number, 4 a float32 and so on in tensors, 1 an ASCII character, nothing for None."""
    if isinstance(value, torch.Tensor):
        return value.numel() * value.element_size()
    if isinstance(value, dict):
        return carried_bytes(list(value)) + carried_bytes(list(value.values()))
    if isinstance(value, list):
        return sum(carried_bytes(item) for item in value)
    if isinstance(value, str):
        return len(value)
    return 0 if value is None else 8


def carried_tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [tensor for item in items for tensor in carried_tensors(item)]


class TestCheckpoint:
    @pytest.mark.parametrize("step", range(len(TASKS)))
    def test_memory_bytes_are_those_of_the_state_carried(self, vdfd_run, step):
        state = checkpoint(vdfd_run, step)["method"]["state"]
        assert vdfd_run.results["steps"][step]["memory_bytes"] == carried_bytes(state)
        tensors = sum(t.numel() * t.element_size() for t in carried_tensors(state))
        assert 0 < tensors <= carried_bytes(state)

    def test_held_bytes_are_the_memories_and_the_graph_network(self, vdfd_run):
        steps = vdfd_run.results["steps"]
        assert steps[0]["held_bytes"] == 0
        for step in (1, 2):
            state = checkpoint(vdfd_run, step - 1)["method"]["state"]
            memories = sum(t.numel() * t.element_size() for t in carried_tensors(state))
            width = state["memories"][0]["prototypes"].shape[1]
            assert memories < steps[step]["held_bytes"]
            assert steps[step]["held_bytes"] < 2 * memories + 3 * 4 * 2 * width**2 + 2**12

    def test_peaks_of_memory_are_those_of_this_machine(self, vdfd_run):
        for entry in vdfd_run.results["steps"]:
            assert 2**26 < entry["peak_memory_bytes"] < 2**40
            assert entry["peak_memory_of"] in ("GPU", "process", "process since its start")

    def test_memory_grows_by_one_task_a_step_and_earlier_tasks_stay(self, vdfd_run):
        memories = [checkpoint(vdfd_run, step)["method"]["state"]["memories"] for step in range(3)]
        assert [len(memory) for memory in memories] == [1, 2, 3]
        for old, new in ((memories[0], memories[1]), (memories[1], memories[2])):
            for ours, theirs in zip(carried_tensors(old), carried_tensors(new), strict=False):
                assert torch.equal(ours, theirs)

    def test_finetune_carries_and_holds_nothing(self, finetune_run):
        for key in ("memory_bytes", "held_bytes"):
            assert [entry[key] for entry in finetune_run.results["steps"]] == [0, 0, 0]
        assert checkpoint(finetune_run, 2)["method"]["state"] == {}

    def test_first_step_does_not_depend_on_the_method(self, vdfd_run, finetune_run):
        ours, theirs = (checkpoint(run, 0)["state_dict"] for run in (vdfd_run, finetune_run))
        assert all(torch.equal(ours[name], theirs[name]) for name in ours)

    @pytest.mark.parametrize("step", range(len(TASKS)))
    def test_mmengine_loads_it_into_a_plain_network_of_mmseg(self, vdfd_run, step):
        path = vdfd_run.path / f"step_{step:02d}" / "checkpoint.pth"
        meta = checkpoint(vdfd_run, step)["meta"]
        network = MODELS.build(model_config(meta["model"], SEEN[step]))
        load_checkpoint(network, str(path), map_location="cpu", strict=True)
        assert network.decode_head.conv_seg.out_channels == SEEN[step]
        assert meta["dataset_meta"]["classes"] == list(LABELS[: SEEN[step]])
        saved = checkpoint(vdfd_run, step)["state_dict"]
        assert all(torch.equal(value, saved[name]) for name, value in network.state_dict().items())
