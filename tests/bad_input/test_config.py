"""Configs that are refused."""

from pathlib import Path

import pytest
import torch

from tests.bad_input.damage import assert_says
from tests.tiny import CLASSES, changed, tiny_config

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
    "split that does not divide": (
        {"protocol": {"type": "DigitScenes", "split": "4-4"}}, "4-4", "not a multiple of 4",
    ),
    "unknown key in protocol": (
        {"protocol.setings": "overlap"}, "key in protocol Custom 'setings'",
        "Did you mean 'setting'?",
    ),
    "unknown setting": ({"protocol.setting": "overlapped"}, "setting='overlapped'", "disjoint"),
    "class in two tasks": (
        {"protocol.tasks": [["background", "red"], ["blue", "red"]]}, "class 'red'",
        "more than once",
    ),
    "class that the data set does not have": (
        {"protocol.tasks": [["background", "red"], ["purple"]]}, "class 'purple'", "pink",
    ),
    "background in a later task": (
        {"protocol.tasks": [["red"], ["background", "blue"]]}, "background", "first task",
    ),
    "unknown value in method": (
        {"method": {"type": "VDFD", "precision": "gnn"}}, "precision 'gnn'", "identity",
    ),
    "unknown start of new rows": ({"method.new_rows": "balance"}, "new_rows='balance'", "balanced"),
    "a key that was": ({"growth": {"init": "balanced"}}, "growth", "method.new_rows"),
    "unknown data set type": (
        {"train_dataloader.dataset.type": "BaseSegDatset"}, "unknown dataset type 'BaseSegDatset'",
        "Did you mean 'BaseSegDataset'?",
    ),
    "unknown key in the data set": (
        {"train_dataloader.dataset.anno_file": "x"}, "BaseSegDataset", "anno_file",
    ),
    "unknown data preparation": (
        {"data_preparation": {"type": "vdfd_seg.write_numbers"}}, "unknown data preparation",
        "'vdfd_seg.write_numbers'",
    ),
    "unknown key in data preparation": (
        {"data_preparation": {"type": "vdfd_seg.write_digit_scenes", "folder": "x"}},
        "data_preparation", "root",
    ),
    "missing data root": (
        {"train_dataloader.dataset.data_root": "no/such/root"}, "data_root 'no/such/root'",
        "does not exist", "--cfg-options",
    ),
    "missing image folder": (
        {"test_dataloader.dataset.data_prefix": {"img_path": "Pictures", "seg_map_path": "x"}},
        "Pictures' does not exist", "img_path",
    ),
    "missing image list": (
        {"test_dataloader.dataset.ann_file": "ImageSets/test.txt"}, "ann_file",
        "ImageSets/test.txt' does not exist",
    ),
    "validation without a share of images": (
        {"evaluate_on": "validation"}, "evaluate_on='validation'", "protocol.validation",
    ),
    "evaluation on a third part": (
        {"evaluate_on": "tests"}, "unknown evaluate_on 'tests'", "Did you mean 'test'?",
    ),
    "task without an image": (
        {"protocol.classes": [*CLASSES, "black"],
         "protocol.tasks": [["background", "red"], ["black"]]},
        "step 1 (black)", "no training images",
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
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_config(check, scenes, case):
    changes, *words = CONFIGS[case]
    assert_says(check(changed(tiny_config(scenes), changes)), *words)


# These come out when the parts of a step are put together, in a dry run, too.
PARTS = {
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
    "unknown scheduler": (
        {"param_scheduler": [{"type": "PolyLRR"}]}, "unknown parameter scheduler 'PolyLRR'",
        "param_scheduler",
    ),
    "pretrained weights missing": (
        {"model.backbone.init_cfg": {"type": "Pretrained", "checkpoint": "no/weights.pth"}},
        "'no/weights.pth' do not exist", "init_cfg",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PARTS)
def test_part_of_a_step(check, scenes, case):
    changes, *words = PARTS[case]
    assert_says(check(changed(tiny_config(scenes), changes)), *words)


# A dry run builds no hook, and writes nothing.
RUN = {
    "unknown hook": ({"custom_hooks": [{"type": "NoSuchHook"}]}, "NoSuchHook", "set up"),
    "predictions where nothing can be written": (
        {"prediction_dir": "/dev/null/predictions"}, "prediction_dir", "cannot be written",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", RUN)
def test_part_of_a_run(check, scenes, case):
    changes, *words = RUN[case]
    assert_says(check(changed(tiny_config(scenes), changes), dry=False), *words)


def test_config_with_a_syntax_error(refused, tmp_path):
    file = tmp_path / "tiny.py"
    file.write_text("model = dict(\n")
    message = refused("train", file, "--work-dir", tmp_path / "work")
    assert_says(message, str(file), "cannot be read", "SyntaxError")


def test_pretrained_weights_of_another_backbone(check, scenes, tmp_path):
    weights = tmp_path / "weights.pt"
    torch.save({"conv1.weight": torch.zeros(4, 3, 7, 7)}, weights)
    changes = {"model.backbone.init_cfg": {"type": "Pretrained", "checkpoint": str(weights)}}
    message = check(changed(tiny_config(scenes), changes), dry=False)
    assert_says(message, "weights.pt", "another network")
