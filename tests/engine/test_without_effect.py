"""What has no effect works, is refused by name, or is named in one line."""

import pytest
from mmengine.config import Config

from tests.tiny import changed, tiny_config
from vdfd_seg.engine.input.without_effect import check_effect, notice
from vdfd_seg.errors import InputError

REFUSED = {
    "load_from": ("weights.pth", "adopt.py"),
    "resume": (True, "--resume"),
    "auto_scale_lr": ({"enable": True, "base_batch_size": 16}, "optimizer.lr"),
    "randomness": ({"seed": 5}, "seed = N"),
    "sync_bn": ("torch", "SyncBN"),
    "find_unused_parameters": (True, "model_wrapper_cfg"),
    "activation_checkpointing": (["backbone"], "with_cp"),
    "custom_hooks": ([{"type": "EMAHook"}], "EMAHook.*take it out"),
    "default_hooks": ({"stop": {"type": "mmengine.EarlyStoppingHook"}}, "EarlyStoppingHook"),
    "param_scheduler": ({"type": "ReduceOnPlateauLR"}, "ReduceOnPlateauLR"),
    "train_dataloader.sampler": ({"type": "ClassAwareSampler"}, "sampler"),
}
ACCEPTED = {
    "load_from": None, "resume": False, "auto_scale_lr": {"enable": False, "base_batch_size": 16},
    "randomness": {"seed": None}, "custom_hooks": [{"type": "EmptyCacheHook"}],
    "train_dataloader.sampler": {"type": "InfiniteSampler", "shuffle": True},
}  # fmt: skip


@pytest.fixture
def config(tmp_path):
    def make(changes):
        return Config(changed(tiny_config(tmp_path), changes))

    return make


@pytest.mark.parametrize("key", REFUSED)
def test_what_would_change_results_is_refused(config, key):
    value, instead = REFUSED[key]
    with pytest.raises(InputError, match=f"(?s)'c.py': .*{instead}"):
        check_effect("c.py", config({key: value}))


@pytest.mark.parametrize("key", ACCEPTED)
def test_a_switch_that_is_off_is_not(config, key):
    check_effect("c.py", config({key: ACCEPTED[key]}))


def test_a_config_of_mmsegmentation_gets_one_line(config):
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
