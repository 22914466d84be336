"""Bad input: exit status 2, one clear message, no traceback, and nothing trained.

Every case makes something wrong in a copy of the tiny data set, of its config or of a finished
run, and names words that the message must have.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.tiny import CLASSES, changed, tiny_config, write_config
from vdfd_seg.checkpoint import load_step, save_plain
from vdfd_seg.cli import run_command
from vdfd_seg.engine.step import ResumableLoop
from vdfd_seg.methods import VDFD

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(autouse=True)
def nothing_trains(monkeypatch):
    """Fails a test in which an iteration or the estimate after a task begins."""

    def trained(*_):
        raise AssertionError("training began")

    monkeypatch.setattr(ResumableLoop, "run_iter", trained)
    monkeypatch.setattr(VDFD, "after_task", trained)


@pytest.fixture
def refused(capfd, stack):
    """Run a command that must be refused; returns its message in one line."""

    def run(command, *arguments):
        assert run_command(command, list(map(str, arguments))) == 2
        error = capfd.readouterr().err
        assert error.startswith("vdfd_seg: error: ")
        assert error.count("vdfd_seg: error:") == 1
        assert "Traceback" not in error
        return " ".join(error.split())

    return run


@pytest.fixture
def check(refused, tmp_path):
    """Refuse a config in ``train`` and ``train --dry-run``; returns the message of the former."""

    def run(config: dict, *arguments, dry=True):
        file = write_config(tmp_path / "tiny.py", config)
        if dry:
            refused("train", file, "--dry-run", "--work-dir", tmp_path / "dry")
            assert not (tmp_path / "dry").exists()
        message = refused("train", file, "--work-dir", tmp_path / "work", *arguments)
        assert not list(tmp_path.rglob("*.pth"))
        return message

    return run


def assert_says(message, *words):
    missing = [word for word in words if word not in message]
    assert not missing, message


# The config.

CONFIGS = {
    "misspelt key": (
        {"optim_wraper": {}}, "unknown key 'optim_wraper'", "Did you mean 'optim_wrapper'?",
    ),
    "missing key": ({"optim_wrapper": ...}, "'optim_wrapper' is missing"),
    "missing data set": (
        {"train_dataloader.dataset": ...}, "'train_dataloader.dataset' is missing",
    ),
    "missing pipeline": (
        {"test_dataloader.dataset.pipeline": ...}, "'test_dataloader.dataset.pipeline' is missing",
    ),
    "method without braces": ({"method": "VDFD"}, "'method' must be a dict", "'VDFD'"),
    "unknown protocol type": (
        {"protocol": {"type": "Vocc", "split": "10-5"}}, "unknown protocol type 'Vocc'",
        "Did you mean 'VOC'?",
    ),
    "unknown split": (
        {"protocol": {"type": "VOC", "split": "15-2"}}, "unknown VOC split '15-2'",
        "Did you mean '15-",
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
    "unknown method": (
        {"method": {"type": "VDFT"}}, "unknown method 'VDFT'", "Did you mean 'VDFD'?", "FineTune",
    ),
    "unknown key in method": (
        {"method": {"type": "VDFD", "wieght": 1.0}}, "key in method VDFD 'wieght'",
        "Did you mean 'weight'?",
    ),
    "unknown value in method": (
        {"method": {"type": "VDFD", "precision": "gnn"}}, "precision='gnn'", "identity",
    ),
    "key of another method": (
        {"method": {"type": "FineTune", "weight": 1.0}}, "key in method FineTune 'weight'",
    ),
    "unknown growth": (
        {"growth": {"init": "balance"}}, "unknown growth init 'balance'",
        "Did you mean 'balanced'?",
    ),
    "unknown key in growth": ({"growth": {"kind": "random"}}, "unknown key 'kind'", "init"),
    "iterations and epochs": (
        {"train_cfg": {"max_iters": 1, "max_epochs": 1}}, "either max_iters or max_epochs",
    ),
    "unknown key in train_cfg": (
        {"train_cfg": {"max_iters": 1, "val_interval": 1}}, "train_cfg", "'val_interval'",
    ),
    "step_overrides of no step": ({"step_overrides": {"7": {}}}, "step_overrides '7'", "0 to 2"),
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
    "unknown key in the model": (
        {"model.decode_head.chanels": 8}, "model cannot be built", "chanels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CONFIGS)
def test_config(check, scenes, case):
    changes, *words = CONFIGS[case]
    assert_says(check(changed(tiny_config(scenes), changes)), *words)


# These come out when the parts of the step are put together; a dry run does not.
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
            "type": "CascadeEncoderDecoder", "num_stages": 1,
            "backbone": tiny_config(Path())["model"]["backbone"],
            "decode_head": [tiny_config(Path())["model"]["decode_head"]]}},
        "CascadeEncoderDecoder", "not supported",
    ),
    "unknown transform": (
        {"test_dataloader.dataset.pipeline": [{"type": "LoadImageFromFiles"}]}, "pipeline",
        "LoadImageFromFiles",
    ),
    "unknown optimiser": (
        {"optim_wrapper.optimizer": {"type": "Adamm", "lr": 0.1}}, "unknown optimizer 'Adamm'",
        "Did you mean 'Adam",
    ),
    "unknown scheduler": ({"param_scheduler": [{"type": "PolyLRR"}]}, "PolyLRR", "set up"),
    "unknown hook": ({"custom_hooks": [{"type": "NoSuchHook"}]}, "NoSuchHook", "set up"),
    "pretrained weights missing": (
        {"model.backbone.init_cfg": {"type": "Pretrained", "checkpoint": "no/weights.pth"}},
        "'no/weights.pth' do not exist", "init_cfg",
    ),
    "predictions where nothing can be written": (
        {"prediction_dir": "/dev/null/predictions"}, "prediction_dir", "cannot be written",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", PARTS)
def test_part_of_a_step(check, scenes, case):
    changes, *words = PARTS[case]
    assert_says(check(changed(tiny_config(scenes), changes), dry=False), *words)


def test_config_missing(refused, tmp_path):
    message = refused("train", tmp_path / "none.py", "--work-dir", tmp_path / "work")
    assert_says(message, "none.py", "does not exist")


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
    assert_says(message, "weights.pt", "another backbone")


# The data.


@pytest.fixture
def data(scenes, tmp_path):
    """A copy of the tiny data set, to be damaged."""
    return Path(shutil.copytree(scenes, tmp_path / "rectangles"))


def rewrite_mask(data, change):
    path = data / "SegmentationClass" / "train_03.png"
    change(np.array(Image.open(path))).save(path)


def image_list_names_a_missing_file(data):
    with open(data / "ImageSets/Segmentation/train.txt", "a") as file:
        file.write("train_77\n")


def image_without_mask(data):
    (data / "SegmentationClass" / "val_02.png").unlink()


def mask_with_an_unknown_class(data):
    rewrite_mask(data, lambda mask: Image.fromarray(np.where(mask == 1, 7, mask).astype(np.uint8)))


def mask_of_another_size(data):
    rewrite_mask(data, lambda mask: Image.fromarray(mask[:-1]))


def mask_in_colours(data):
    rewrite_mask(data, lambda mask: Image.fromarray(np.stack([mask] * 3, -1)))


def image_truncated(data):
    path = data / "JPEGImages" / "train_03.jpg"
    path.write_bytes(path.read_bytes()[:-300])


def mask_truncated(data):
    path = data / "SegmentationClass" / "train_03.png"
    path.write_bytes(path.read_bytes()[:-30])


def image_listed_twice(data):
    with open(data / "ImageSets/Segmentation/train.txt", "a") as file:
        file.write("train_03\n")


def image_list_empty(data):
    (data / "ImageSets/Segmentation/train.txt").write_text("")


DATA = {
    image_list_names_a_missing_file: ("train_77.jpg", "missing"),
    image_without_mask: ("val_02.png", "mask is missing", "val_02.jpg"),
    mask_with_an_unknown_class: ("train_03.png", "id 7", "valid ids are 0 to 6", "255"),
    mask_of_another_size: ("train_03.png", "48x47", "48x48"),
    mask_in_colours: ("train_03.png", "RGB", "index mask"),
    image_truncated: ("train_03.jpg", "damaged or truncated"),
    mask_truncated: ("train_03.png", "damaged or truncated"),
    image_listed_twice: ("two images", "'train_03'"),
    image_list_empty: ("no images",),
}


@pytest.mark.parametrize("damage", DATA, ids=lambda damage: damage.__name__)
def test_data(check, data, damage):
    damage(data)
    assert_says(check(tiny_config(data)), *DATA[damage])


# The command line and the work dir.

ARGUMENTS = {
    "resume and overwrite": (["--resume", "--overwrite"], "--resume", "--overwrite", "contradict"),
    "step out of range": (["--steps", "3"], "--steps '3'", "0 to 2"),
    "slice of no step": (["--steps", "3:5"], "--steps '3:5'", "names no step"),
    "empty slice": (["--steps", "1:1"], "--steps '1:1'", "names no step"),
    "not a slice": (["--steps", "first"], "--steps 'first'", "A:B"),
    "no text": (["--steps", ""], "--steps ''", "A:B"),
    "after an unfinished step": (["--steps", "1:"], "step 0 is not finished"),
    "no start": (["--init-from", "no/checkpoint.pth"], "'no/checkpoint.pth' does not exist"),
    "no torchrun": (["--launcher", "pytorch"], "--launcher pytorch", "RANK", "dist_train.sh"),
}


@pytest.mark.parametrize("case", ARGUMENTS)
def test_arguments(check, scenes, case, monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    arguments, *words = ARGUMENTS[case]
    assert_says(check(tiny_config(scenes), *arguments, dry=False), *words)


def test_parent_of_the_work_dir_is_a_file(refused, config_file, tmp_path):
    (tmp_path / "file").touch()
    message = refused("train", config_file(), "--work-dir", tmp_path / "file" / "work")
    assert_says(message, "work dir", "file/work", "cannot be written")


def test_work_dir_is_a_file(refused, config_file, tmp_path):
    (tmp_path / "work").touch()
    message = refused("train", config_file(), "--work-dir", tmp_path / "work")
    assert_says(message, "work dir", "cannot be written")


# Checkpoints.


@pytest.fixture
def copied(finetune_run, tmp_path):
    """A copy of the finished run with fine-tuning, to be damaged, and its config."""
    run = Path(shutil.copytree(finetune_run.path, tmp_path / "copy"))
    return run, finetune_run.file


def test_work_dir_with_results(refused, copied):
    run, file = copied
    before = (run / "step_00" / "checkpoint.pth").stat().st_mtime_ns
    message = refused("train", file, "--work-dir", run)
    assert_says(message, str(run), "already holds a run", "--resume", "--overwrite")
    assert (run / "step_00" / "checkpoint.pth").stat().st_mtime_ns == before


def test_work_dir_with_a_step_but_no_results(refused, copied):
    run, file = copied
    (run / "results.json").unlink()
    assert_says(refused("train", file, "--work-dir", run), "already holds a run")


def rewrite(path, change):
    """Change a checkpoint's content; its digest is right again."""
    content = load_step(path)
    change(content)
    save_plain(path, content)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def foreign(path):
    torch.save({"state_dict": {"weight": torch.zeros(1)}}, path)


def other_protocol(path):
    rewrite(path, lambda content: content["meta"].update(fingerprint="0123456789abcdef"))


def other_method(path):
    rewrite(path, lambda content: content["method"].update(type="VDFD"))


def of_no_step(path):
    save_plain(path, {"state_dict": {}})


DAMAGES = {flip: ("is damaged",), truncate: ("is damaged",), empty: ("is damaged",)}
"""`train --resume` goes on from the last good file: tests/test_recovery.py."""

CHECKPOINTS = {
    foreign: ("was not written by vdfd_seg",),
    other_protocol: ("belongs to protocol 'tiny'", "0123456789abcdef"),
    other_method: ("method VDFD", "FineTune"),
    of_no_step: ("not a step's checkpoint", "meta"),
}


CASES = [
    *[(command, damage) for damage in CHECKPOINTS for command in ("train", "test")],
    *[("test", damage) for damage in DAMAGES],
]


@pytest.mark.parametrize(
    "command, damage", CASES, ids=lambda value: getattr(value, "__name__", value)
)
def test_checkpoint(refused, copied, command, damage):
    run, file = copied
    path = run / "step_01" / "checkpoint.pth"
    damage(path)
    # Step 2 is to be done, so that the damaged checkpoint would be needed.
    shutil.rmtree(run / "step_02")
    if command == "train":
        message = refused("train", file, "--work-dir", run, "--resume")
    else:
        message = refused("test", file, run, "--all-steps")
    assert_says(message, str(path), *{**CHECKPOINTS, **DAMAGES}[damage])


def test_protocol_of_the_config_is_another(refused, copied, config_file):
    """The same classes in another order."""
    run, _ = copied
    tasks = [["background", "red", "green"], ["gold", "blue"], ["pink", "cyan"]]
    file = config_file({"method": {"type": "FineTune"}, "protocol.tasks": tasks})
    for arguments in (("train", file, "--work-dir", run, "--resume"), ("test", file, run)):
        assert_says(refused(*arguments), "fingerprint")


def test_network_of_the_config_is_another(refused, copied, config_file):
    run, _ = copied
    file = config_file({"method": {"type": "FineTune"}, "model.decode_head.channels": 16})
    assert_says(refused("test", file, run), "'decode_head.conv_seg.weight'", "(7, 32, 1, 1)")
    shutil.rmtree(run / "step_02")
    message = refused("train", file, "--work-dir", run, "--resume")
    assert_says(message, "'decode_head.conv_seg.weight'", "(5, 32, 1, 1)")


def test_seed_of_the_results_is_another(refused, copied):
    run, file = copied
    message = refused("train", file, "--work-dir", run, "--resume", "--seed", "8")
    assert_says(message, "seed is 3", "now it is 8")


def test_results_damaged(refused, copied):
    run, _ = copied
    (run / "results.json").write_text("{")
    message = refused("report", run)
    assert_says(message, "results.json", "not a JSON file")


def test_state_within_a_step(refused, copied):
    run, file = copied
    state = run / "step_02" / "resume.pth"
    (run / "step_02" / "checkpoint.pth").unlink()
    save_plain(state, {"tag": {"step": 1}, "iteration": 1})
    assert_says(refused("train", file, "--work-dir", run, "--resume"), str(state), "another run")


STARTS = {
    "of another step": ({}, 1, "of step 1, not of step 0"),
    "of other classes": (
        {"protocol.tasks": [["background", "red"], ["green"]]}, 0, "knows the classes",
    ),
    "of another network": ({"model.decode_head.channels": 16}, 0, "decode_head.conv_seg.weight"),
}  # fmt: skip


@pytest.mark.parametrize("case", STARTS)
def test_start(refused, finetune_run, config_file, tmp_path, case):
    changes, step, words = STARTS[case]
    start = finetune_run.path / f"step_{step:02d}" / "checkpoint.pth"
    arguments = ("--work-dir", tmp_path / "work", "--init-from", start)
    assert_says(refused("train", config_file(changes), *arguments), words)
    assert not list(tmp_path.rglob("checkpoint.pth"))


def test_start_damaged(refused, copied, tmp_path):
    run, file = copied
    flip(run / "step_00" / "checkpoint.pth")
    arguments = ("--work-dir", tmp_path / "work", "--init-from", run / "step_00" / "checkpoint.pth")
    assert_says(refused("train", file, *arguments), "is damaged")


class TestEvaluation:
    def test_empty_folder(self, refused, config_file, tmp_path):
        message = refused("test", config_file(), tmp_path)
        assert_says(message, str(tmp_path), "neither a checkpoint nor a work dir")

    def test_no_such_folder(self, refused, config_file, tmp_path):
        assert_says(refused("test", config_file(), tmp_path / "none"), "neither a checkpoint nor")

    def test_step_that_is_not_there(self, refused, copied):
        run, file = copied
        shutil.rmtree(run / "step_01")
        message = refused("test", file, run, "--step", "1")
        assert_says(message, "no finished step 1", "0, 2")

    def test_step_of_a_single_checkpoint(self, refused, copied):
        run, file = copied
        message = refused("test", file, run / "step_00" / "checkpoint.pth", "--step", "0")
        assert_says(message, "--step", "work dir")

    def test_results_cannot_be_written(self, refused, copied):
        run, file = copied
        (run / "file").touch()
        message = refused("test", file, run, "--out", run / "file" / "results.json")
        assert_says(message, "--out", "cannot be written")
        assert_says(refused("test", file, run, "--out", run), "--out", "is a folder")

    def test_config(self, refused, copied, config_file, tmp_path):
        run, _ = copied
        assert_says(refused("test", tmp_path / "none.py", run), "none.py", "does not exist")
        file = config_file({"protocol": {"type": "Vocc"}})
        assert_says(refused("test", file, run), "unknown protocol type")


class TestProcess:
    """The exit status and the message as a shell sees them."""

    def start(self, tool, *arguments):
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.run(
            [sys.executable, str(ROOT / "tools" / f"{tool}.py"), *map(str, arguments)],
            capture_output=True, text=True, env=environment, check=False,
        )  # fmt: skip

    def assert_refused(self, done, *words):
        assert done.returncode == 2
        assert "Traceback" not in done.stderr + done.stdout
        lines = [line for line in done.stderr.splitlines() if line.startswith("vdfd_seg: error:")]
        assert len(lines) == 1
        assert_says(done.stderr, *words)

    def test_train_unknown_method(self, config_file, tmp_path):
        file = config_file({"method": {"type": "VDFT"}})
        done = self.start("train", file, "--work-dir", tmp_path / "work")
        self.assert_refused(done, "Did you mean 'VDFD'?")
        assert not (tmp_path / "work").exists()

    def test_test_protocol_mismatch(self, copied):
        run, file = copied
        other_protocol(run / "step_02" / "checkpoint.pth")
        self.assert_refused(self.start("test", file, run), "0123456789abcdef")
