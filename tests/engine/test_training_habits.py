"""Each line of the guide's table of training habits: it trains, or is refused with the reason."""

import re

import pytest
from mmengine.config import Config
from torch import nn

from tests.documented import ROOT
from tests.tiny import changed, tiny_config
from vdfd_seg.engine.run.optimisation import optimisation

PAGE = ROOT / "docs/en/user_guides/train_and_evaluate.md"
LOSS = "model.decode_head.loss_decode"
CROSS = {"type": "CrossEntropyLoss"}
BEIT = {
    "model.backbone": {
        "type": "BEiT", "img_size": (48, 48), "patch_size": 16, "embed_dims": 16, "num_layers": 2,
        "num_heads": 2, "mlp_ratio": 1, "out_indices": (0, 1), "qv_bias": True,
        "init_values": 0.1},
    "model.decode_head.in_index": 1,
    # It takes images of one size.
    "test_dataloader.dataset.pipeline": [
        {"type": "LoadImageFromFile"}, {"type": "Resize", "scale": (48, 48)},
        {"type": "LoadAnnotations"}, {"type": "PackSegInputs"}],
    "optim_wrapper": {
        "type": "OptimWrapper", "optimizer": {"type": "AdamW", "lr": 1e-3, "weight_decay": 0.05},
        "constructor": "LearningRateDecayOptimizerConstructor",
        "paramwise_cfg": {"num_layers": 2, "decay_rate": 0.9, "decay_type": "layer_wise"}},
}  # fmt: skip
HABITS = {
    "gradient accumulation": ({"optim_wrapper.accumulative_counts": 2}, None),
    "clipping": ({"optim_wrapper.clip_grad": {"max_norm": 1.0}}, None),
    "mixed precision": ({"optim_wrapper.type": "vdfd_seg.DeviceAmpOptimWrapper"}, None),
    "`AmpOptimWrapper`": ({"optim_wrapper.type": "AmpOptimWrapper"}, "on gpu"),
    "layer-wise decay": (BEIT, None),
    "`paramwise_cfg`": (
        {"optim_wrapper.paramwise_cfg": {"custom_keys": {"decode_head": {"lr_mult": 10.0}}}}, None),
    "`frozen_stages`": ({"model.backbone.frozen_stages": 1}, None),
    "warm-up": (
        {"param_scheduler": [
            {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": 1},
            {"type": "PolyLR", "power": 0.9, "begin": 1}]}, None),
    "scaled learning rate": ({"auto_scale_lr": {"enable": True, "base_batch_size": 16}}, None),
    "scaled learning rate without its batch": (
        {"auto_scale_lr": {"enable": True}}, "auto_scale_lr.base_batch_size"),
    "compiled training": ({"compile": {"backend": "eager"}}, None),
    "class weights": ({LOSS: {**CROSS, "class_weight": [0.5] + [1.0] * 6}}, None),
    "OHEM": (
        {LOSS: CROSS, "model.decode_head.sampler": {"type": "OHEMPixelSampler", "min_kept": 50}},
        None),
    "Dice": ({LOSS: [CROSS, {"type": "DiceLoss"}]}, None),
    "Focal on a CPU": ({LOSS: {"type": "FocalLoss"}}, "FocalLoss fails: train on a GPU"),
    "EMA": ({"custom_hooks": [{"type": "EMAHook"}]}, "EMAHook"),
    "early stopping": (
        {"custom_hooks": [{"type": "EarlyStoppingHook", "monitor": "mIoU"}]}, "EarlyStoppingHook"),
    "a plateau's schedule": (
        {"param_scheduler": [{"type": "ReduceOnPlateauLR", "monitor": "mIoU"}]},
        "ReduceOnPlateauLR"),
    "the best checkpoint": (
        {"default_hooks": {"checkpoint": {"type": "CheckpointHook", "save_best": "mIoU"}}},
        "save_best"),
}  # fmt: skip
"""Changes of the tiny config, and what a refusal names; None for what trains."""


def documented():
    text = PAGE.read_text().split("### Training habits")[1].split("\n#")[0]
    return dict(re.findall(r"^\| ([^|]+?) \| (works|refused)", text, re.M))


def test_the_table_has_these_lines():
    expected = {name: "refused" if reason else "works" for name, (_, reason) in HABITS.items()}
    assert documented() == expected


@pytest.mark.parametrize("habit", HABITS)
def test_it_trains_a_grown_network_or_is_refused(train, refused, config_file, tmp_path, habit):
    changes, reason = HABITS[habit]
    short = {"method": {"type": "FineTune"}, "train_cfg": {"max_iters": 2}, "step_overrides": {}}
    config = {**short, "examples": 0, **changes}
    if reason is None:
        assert len(train("--steps", "0:2", config=config).results["steps"]) == 2
        return
    error = refused("train", config_file(config), "--work-dir", tmp_path / "work")
    assert re.search(reason, error), error
    assert not list(tmp_path.rglob("*.pth"))


def test_the_rate_follows_the_batch():
    """A batch of 4 in place of 16, and the schedule begins there."""
    scale = {"enable": True, "base_batch_size": 16}
    config = Config(changed(tiny_config("none"), {"auto_scale_lr": scale}))
    wrapper, (schedule,) = optimisation(config, nn.Linear(1, 1), 12)
    assert wrapper.get_lr()["lr"] == [0.01 / 4]
    assert schedule.base_values == [0.01 / 4]


def test_numbers_of_a_schedule_by_epoch_are_passes_over_the_images():
    """12 images in batches of 4; where no end is named it is the step's, here within a pass."""
    schedules = [
        {"type": "MultiStepLR", "milestones": [1, 2], "begin": 1, "end": 3},
        {"type": "CosineRestartLR", "periods": [1, 2], "restart_weights": [1, 1], "eta_min": 0},
    ]
    changes = {
        "train_cfg": {"max_iters": 49},
        "param_scheduler": [{**each, "by_epoch": True} for each in schedules],
    }
    _, (steps, restarts) = optimisation(
        Config(changed(tiny_config("none"), changes)), nn.Linear(1, 1), 12
    )
    assert sorted(steps.milestones) == [3, 6] and (steps.begin, steps.end) == (3, 9)
    assert restarts.periods == [3, 6] and (restarts.begin, restarts.end) == (0, 49)
    assert not steps.by_epoch and not restarts.by_epoch


def test_frozen_parameters_are_not_told_one_by_one(capfd):
    """MMEngine warns of each that an optimiser with ``paramwise_cfg`` leaves out."""
    network = nn.Linear(1, 1)
    network.bias.requires_grad_(False)
    settings = {"optimizer": {"type": "SGD", "lr": 1.0}, "type": "OptimWrapper"}
    settings["paramwise_cfg"] = {"custom_keys": {"weight": {"lr_mult": 2.0}}}
    config = Config({"optim_wrapper": settings, "train_cfg": {"max_iters": 1},
                     "train_dataloader": {"batch_size": 1}})  # fmt: skip
    wrapper, _ = optimisation(config, network, 1)
    shown = "".join(capfd.readouterr())
    assert "requires_grad" not in shown
    assert [group["lr"] for group in wrapper.param_groups] == [2.0]
