"""What has no effect or breaks a method works, is refused by name, or is named in one line."""

import pytest
import torch.distributed as dist
from mmengine.config import Config

from tests.tiny import changed, tiny_config, write_config
from vdfd_seg.cli import run_command
from vdfd_seg.engine.input.unsupported import check_supported, notice
from vdfd_seg.errors import InputError

ZERO = {"type": "ZeroRedundancyOptimizer", "optimizer_type": "SGD", "lr": 0.1}
DIVIDES = "{}' divides the parameters.*ZeroRedundancyOptimizer"
REFUSED = [
    ("load_from", "weights.pth", "adopt.py"),
    ("resume", True, "--resume"),
    ("test_dataloader.dataset.pipeline", [{"type": "TestTimeAug", "transforms": []}], "--tta"),
    ("randomness", {"seed": 5}, "seed = N"),
    ("sync_bn", "torch", "SyncBN"),
    ("find_unused_parameters", True, "model_wrapper_cfg"),
    ("activation_checkpointing", ["backbone"], "with_cp"),
    ("runner_type", "FlexibleRunner", "FlexibleRunner"),
    ("strategy", {"type": "DDPStrategy"}, "FlexibleRunner"),
    ("default_hooks", {"stop": {"type": "mmengine.EarlyStoppingHook"}}, "EarlyStoppingHook"),
    ("train_dataloader.sampler", {"type": "ClassAwareSampler"}, "sampler"),
    *[
        (key, {"type": name, "optimizer": {"type": "SGD"}}, f"{key}.type='{DIVIDES.format(name)}")
        for key, name in (
            ("model_wrapper_cfg", "mmengine.MMFullyShardedDataParallel"),
            ("optim_wrapper", "DeepSpeedOptimWrapper"),
            ("optim_wrapper.optimizer", "DeepSpeedCPUAdam"),
            ("strategy", "FSDPStrategy"),
        )
    ],
    ("optim_wrapper.optimizer", {**ZERO, "overlap_with_ddp": True}, "overlap_with_ddp"),
]
ACCEPTED = [
    ("load_from", None),
    ("resume", False),
    ("randomness", {"seed": None}),
    ("custom_hooks", [{"type": "EmptyCacheHook"}]),
    ("train_dataloader.sampler", {"type": "InfiniteSampler", "shuffle": True}),
    ("model_wrapper_cfg", None),
    ("model_wrapper_cfg", {"type": "MMDistributedDataParallel", "static_graph": True}),
    ("optim_wrapper.optimizer", ZERO),
]


def config(changes):
    return Config(changed(tiny_config("none"), changes))


@pytest.mark.parametrize(("key", "value", "instead"), REFUSED)
def test_what_would_change_results_is_refused(key, value, instead):
    with pytest.raises(InputError, match=f"(?s){instead}"):
        check_supported(config({key: value}))


@pytest.mark.parametrize(("key", "value"), ACCEPTED)
def test_a_switch_that_is_off_is_not(key, value):
    check_supported(config({key: value}))


def test_what_a_later_step_divides_is_refused_before_data_is_read(tmp_path, refused):
    """The data set does not exist, which the message would name if it had been looked for."""
    divided = {"2": {"model_wrapper_cfg": {"type": "MMFullyShardedDataParallel"}}}
    given = changed(tiny_config(tmp_path / "none"), {"step_overrides": divided})
    file = write_config(tmp_path / "c.py", given)
    error = refused("train", file, "--work-dir", tmp_path / "work")
    assert f"config '{file}': model_wrapper_cfg.type='MMFully" in error
    assert not (tmp_path / "work").exists()


def test_a_divided_state_needs_a_group_if_only_of_one(config_file, refused):
    arguments = [str(config_file({"optim_wrapper.optimizer": ZERO})), "--dry-run"]
    error = refused("train", *arguments)
    assert "dist_train.sh" in error and "optimizer.type='SGD'" in error
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        assert run_command("train", arguments) == 0
    finally:
        dist.destroy_process_group()


def test_a_config_of_mmsegmentation_gets_one_line():
    """The keys of its default_runtime.py, schedule_20k.py and data sets."""
    loader = {"batch_size": 1}
    text = notice(config({
        "val_dataloader": loader, "val_cfg": {"type": "ValLoop"}, "test_cfg": {"type": "TestLoop"},
        "val_evaluator": {"type": "IoUMetric"}, "test_evaluator": {"type": "IoUMetric"},
        "tta_model": {"type": "SegTTAModel"}, "train_cfg": {"max_iters": 9, "val_interval": 3},
        "default_hooks": {"checkpoint": {"type": "CheckpointHook"},
                          "visualization": {"type": "SegVisualizationHook"}},
    }))  # fmt: skip
    assert len(text.splitlines()) == 1
    for word in ("val_dataloader", "test_evaluator", "train_cfg.val_interval", "tta_model",
                 "default_hooks.checkpoint (save_interval", "visualization (examples"):  # fmt: skip
        assert word in text
    assert notice(config({})) is None


def test_a_run_says_so_once_and_keeps_no_checkpoint_of_mmengine(train, capfd):
    hooks = {"checkpoint": {"type": "CheckpointHook", "interval": 1, "by_epoch": False}}
    run = train(
        "--steps", "0:1",
        config={
            "method": {"type": "FineTune"}, "step_overrides": {}, "default_hooks": hooks,
            "train_cfg": {"type": "IterBasedTrainLoop", "max_iters": 1, "val_interval": 1},
        },
    )  # fmt: skip
    assert capfd.readouterr().out.count("not used here: train_cfg.val_interval") == 1
    assert not list(run.path.rglob("iter_*.pth"))
