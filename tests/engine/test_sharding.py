"""Divided parameters are refused before data is read; a divided optimiser's state needs a group."""

import pytest
import torch.distributed as dist

from tests.tiny import changed, tiny_config, write_config
from vdfd_seg.cli import run_command
from vdfd_seg.engine.input.sharding import check_sharding, check_zero
from vdfd_seg.errors import InputError

ZERO = {"type": "ZeroRedundancyOptimizer", "optimizer_type": "SGD", "lr": 0.1}
DIVIDED = {
    "model_wrapper_cfg": {"type": "MMFullyShardedDataParallel"},
    "strategy": {"type": "FSDPStrategy"},
    "optim_wrapper": {"type": "DeepSpeedOptimWrapper", "optimizer": {"type": "SGD", "lr": 0.1}},
    "optim_wrapper.optimizer": {"type": "DeepSpeedCPUAdam", "lr": 0.1},
}


@pytest.mark.parametrize("key", DIVIDED)
def test_divided_parameters_are_refused_before_data_is_read(key, tmp_path, capsys):
    """The data set does not exist, which the message would name if it had been looked for."""
    config = changed(tiny_config(tmp_path / "none"), {key: DIVIDED[key]})
    file = write_config(tmp_path / "c.py", config)
    assert run_command("train", [str(file), "--work-dir", str(tmp_path / "work")]) == 2
    error = capsys.readouterr().err
    assert f"{key}.type='{DIVIDED[key]['type']}'" in error
    assert "divides the parameters" in error and "ZeroRedundancyOptimizer" in error
    assert not (tmp_path / "work").exists()


def test_refused_where_a_later_step_has_it(tmp_path, capsys):
    divided = {"model_wrapper_cfg": {"type": "mmengine.MMFullyShardedDataParallel"}}
    config = changed(tiny_config(tmp_path / "none"), {"step_overrides": {"2": divided}})
    file = write_config(tmp_path / "c.py", config)
    assert run_command("train", [str(file), "--work-dir", str(tmp_path / "work")]) == 2
    assert "MMFullyShardedDataParallel" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["DeepSpeedStrategy", "ColossalAIStrategy", "FSDPStrategy"])
def test_strategies_that_divide_parameters(name):
    with pytest.raises(InputError, match=f"strategy.type='{name}' divides the parameters"):
        check_sharding("c.py", {"strategy": {"type": name}})


@pytest.mark.parametrize("key", ["strategy", "runner_type"])
def test_flexible_runner_has_no_effect(key):
    with pytest.raises(InputError, match=f"{key} is of MMEngine's FlexibleRunner"):
        check_sharding("c.py", {key: "DDPStrategy" if key == "strategy" else "FlexibleRunner"})


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"model_wrapper_cfg": None},
        {"model_wrapper_cfg": {"type": "MMDistributedDataParallel", "static_graph": True}},
        {"optim_wrapper": {"type": "OptimWrapper", "optimizer": ZERO}},
    ],
)
def test_data_parallelism_and_zero_1_pass(config):
    check_sharding("c.py", config)


def test_divided_state_needs_a_group(tmp_path, capsys, registered_modules):
    config = changed(tiny_config(tmp_path / "none"), {"optim_wrapper.optimizer": ZERO})
    file = write_config(tmp_path / "c.py", config)
    assert run_command("train", [str(file), "--work-dir", str(tmp_path / "work")]) == 2
    error = capsys.readouterr().err
    assert "dist_train.sh" in error and "optimizer.type='SGD'" in error


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"optimizer_type": "Adamm"}, "optimizer_type='Adamm' must name"),
        ({"optimizer_type": None}, "optimizer_type=None must name"),
        ({"overlap_with_ddp": True}, "overlap_with_ddp"),
    ],
)
def test_divided_state_that_cannot_work(changes, message):
    with pytest.raises(InputError, match=message):
        check_zero("c", {"optim_wrapper": {"optimizer": {**ZERO, **changes}}})


def test_group_of_one_will_do():
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        check_zero("c", {"optim_wrapper": {"optimizer": ZERO}})
    finally:
        dist.destroy_process_group()
