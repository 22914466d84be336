from pathlib import Path

import pytest

from tests.bad_input.damage import assert_says
from tests.tiny import changed, tiny_config

CONFIGS = {
    "missing data set": (
        {"train_dataloader.dataset": ...}, "'train_dataloader.dataset' is missing",
    ),
    "missing pipeline": (
        {"test_dataloader.dataset.pipeline": ...}, "'test_dataloader.dataset.pipeline' is missing",
    ),
    "unknown protocol type": (
        {"protocol": {"type": "Vocc", "split": "10-5"}}, "unknown protocol type 'Vocc'",
        "Did you mean 'VOC'?",
    ),
    "unknown start of new rows": ({"method.new_rows": "balance"}, "new_rows='balance'", "balanced"),
    "a key that was": ({"growth": {"init": "balanced"}}, "growth", "method.new_rows"),
    "unknown key in data preparation": (
        {"data_preparation": {"type": "vdfd_seg.write_digit_scenes", "folder": "x"}},
        "data_preparation", "root",
    ),
    "missing data root": (
        {"train_dataloader.dataset.data_root": "no/such/root"}, "data_root 'no/such/root'",
        "does not exist", "--cfg-options",
    ),
    "a method for another problem": (
        {"method": {"type": "ICaRL"}}, "method ICaRL is for classification",
    ),
    "unknown model": (
        {"model.type": "EncoderDecodr"}, "model cannot be built", "EncoderDecodr",
    ),
    "crops of one size without it": (
        {"model.data_preprocessor.size": ...}, "neither of size and size_divisor",
        "set model.data_preprocessor.size",
    ),
    "two ways to pad": (
        {"model.data_preprocessor.size_divisor": 32}, "both of size and size_divisor",
    ),
    "windows as MMSegmentation's UNet has them": (
        {"model.test_cfg": {"mode": "slide", "crop_size": 256, "stride": 170}},
        "model.test_cfg.crop_size=256", "write crop_size=(256, 256)",
    ),
    "unknown key in the model": (
        {"model.decode_head.chanels": 8}, "model cannot be built", "chanels",
    ),
    # These come out when the parts of a step are put together, in a dry run, too.
    "unsupported head": (
        {"model.decode_head": {
            "type": "EncHead", "in_channels": [4, 8, 16], "in_index": [0, 1, 2], "channels": 8,
            "num_classes": 1, "num_codes": 2, "use_se_loss": False, "add_lateral": False,
            "norm_cfg": {"type": "BN"}}},
        "EncHead", "cannot grow",
    ),
    "model of another kind": (
        {"model": {
            "type": "SegTTAModel", "module": tiny_config(Path())["model"]}},
        "SegTTAModel", "not supported",
    ),
    "no preprocessor": ({"model.data_preprocessor": ...}, "model.data_preprocessor, which is"),
    "unknown transform": (
        {"test_dataloader.dataset.pipeline": [{"type": "LoadImageFromFiles"}]}, "pipeline",
        "LoadImageFromFiles",
    ),
    "unknown optimiser": (
        {"optim_wrapper.optimizer": {"type": "Adamm", "lr": 0.1}}, "unknown optimizer 'Adamm'",
        "Did you mean 'Adam",
    ),
    "pretrained weights missing": (
        {"model.backbone.init_cfg": {"type": "Pretrained", "checkpoint": "no/weights.pth"}},
        "'no/weights.pth' do not exist", "init_cfg",
    ),
    # A dry run builds no hook, and writes nothing.
    "unknown hook": ({"custom_hooks": [{"type": "NoSuchHook"}]}, "NoSuchHook", "set up"),
    "predictions where nothing can be written": (
        {"prediction_dir": "/dev/null/predictions"}, "prediction_dir", "cannot be written",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_config(check, scenes, case):
    changes, *words = CONFIGS[case]
    in_a_dry_run = not {"custom_hooks", "prediction_dir"} & set(changes)
    assert_says(check(changed(tiny_config(scenes), changes), dry=in_a_dry_run), *words)
