"""What would fail hours later is told before anything trains, and nothing that works is refused."""

import pytest
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS

from tests.test_resume import assert_same_run
from tests.tiny import tiny_config
from vdfd_seg.cli import run_command
from vdfd_seg.engine.run.step import StepTrainer

SHORT = {"train_cfg": {"max_iters": 2}, "step_overrides": {}, "save_interval": 1}
FINE = {"method": {"type": "FineTune"}}
LOSS = {"type": "CrossEntropyLoss"}
SEGFORMER = {
    "backbone": {
        "type": "MixVisionTransformer", "in_channels": 3, "embed_dims": 4, "num_stages": 4,
        "num_layers": [1, 1, 1, 1], "num_heads": [1, 1, 1, 1], "patch_sizes": [7, 3, 3, 3],
        "sr_ratios": [8, 4, 2, 1], "out_indices": (0, 1, 2, 3), "mlp_ratio": 1},
    "decode_head": {
        "type": "SegformerHead", "in_channels": [4, 4, 4, 4], "in_index": [0, 1, 2, 3],
        "channels": 4, "num_classes": 1, "norm_cfg": {"type": "BN"}, "align_corners": False,
        "loss_decode": LOSS},
}  # fmt: skip
TEST = "test_dataloader.dataset.pipeline"
LOAD, PACK = ({"type": "LoadImageFromFile"}, {"type": "LoadAnnotations"}), {"type": "PackSegInputs"}

FAILURES = {
    "one image under batch norm": (
        {"train_dataloader.batch_size": 1}, "training of step 0", "set train_dataloader.batch_size",
        "model.decode_head.image_pool"),
    "class weights of the first step": (
        {"model.decode_head.loss_decode": {**LOSS, "class_weight": [1.0] * 3}}, "class_weight",
        "training of step 1"),
    "a sampler under the unbiased loss": (
        {"model.decode_head.sampler": {"type": "OHEMPixelSampler", "thresh": 0.7}},
        "take out model.decode_head.sampler"),
    "images of unequal size": (
        {"model.data_preprocessor.size": ..., "train_dataloader.dataset.pipeline": [*LOAD, PACK]},
        "model.data_preprocessor.size"),
    "another loss": (
        {"model.decode_head.loss_decode": {"type": "FocalLoss"}}, "model.decode_head.loss_decode",
        "(FocalLoss)"),
    "a crop of no size": (
        {"train_dataloader.dataset.pipeline": [*LOAD, {"type": "RandomCrop", "crop_size": (48,)},
                                               PACK]}, "pipeline cannot be built", "crop_size"),
    "a loader's unknown key": ({"train_dataloader.workers": 2}, "workers", "train_dataloader"),
    "labels that are resized too": (
        {TEST: [*LOAD, {"type": "Resize", "scale": (24, 24)}, PACK]}, "LoadAnnotations", TEST),
    "several views of a test image": (
        {TEST: [*LOAD, {"type": "TestTimeAug", "transforms": [
            [{"type": "RandomFlip", "prob": p} for p in (0.0, 1.0)], [PACK]]}]}, "TestTimeAug"),
    "a schedule that ends before it begins": (
        {"param_scheduler": [{"type": "LinearLR", "start_factor": 0.1, "begin": 9, "end": 3}]},
        "param_scheduler"),
    "a network that the method cannot remember": ({"model": ..., "method": {"type": "VDFD"}},
                                                  "the end of step 0", "unknown='skip'"),
    "only a later step": (
        {"step_overrides": {"2": {"test_dataloader": {"prefetch_factor": 2}}}},
        "evaluation of step 2"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
def test_is_told_before_anything_trains(
    config_file, scenes, tmp_path, refused, trained_steps, case
):
    changes, *words = FAILURES[case]
    config = {**SHORT, **FINE, **changes}
    if config.get("model") is ...:
        config["model"] = {**tiny_config(scenes)["model"], **SEGFORMER}
    error = refused("train", config_file(config), "--work-dir", tmp_path / "work")
    assert [word for word in words if word not in error] == [], error
    assert trained_steps == []
    assert not list(tmp_path.rglob("*.pth"))


def test_a_dry_run_says_the_same(config_file, tmp_path, refused):
    changes, *_ = FAILURES["one image under batch norm"]
    arguments = ["train", config_file({**SHORT, **FINE, **changes}), "--work-dir", tmp_path]
    assert refused(*arguments) == refused(*arguments, "--dry-run")


WORKING = {
    "one image without batch norm": {
        "train_dataloader.batch_size": 1, "model.backbone.norm_eval": True,
        "model.decode_head.norm_cfg": {"type": "GN", "num_groups": 4}},
    "workers that stay but are none": {"test_dataloader.persistent_workers": True},
    "a network that another method can train": {"model": ...},
    "a batch of unequal test images": {
        "test_dataloader.batch_size": 3, TEST: [*LOAD, PACK], "method": {"type": "VDFD"}},
    "a batch of test images brought to one size": {
        "test_dataloader.batch_size": 3,
        TEST: [LOAD[0], {"type": "Resize", "scale": (48, 48)}, LOAD[1], PACK]},
    "a cycle that ends with the step": {
        "param_scheduler": [{"type": "OneCycleLR", "eta_max": 0.01, "total_steps": 2}]},
    "a warm-up, then epochs": {
        "train_cfg": {"max_epochs": 3}, "param_scheduler": [
            {"type": "LinearLR", "start_factor": 0.1, "begin": 0, "end": 3, "by_epoch": False},
            {"type": "PolyLR", "power": 0.9, "begin": 3}]},
}  # fmt: skip


@pytest.mark.parametrize("case", WORKING)
def test_what_works_is_not_refused(config_file, scenes, case):
    changes = dict(WORKING[case])
    if changes.get("model") is ...:
        changes["model"] = {**tiny_config(scenes)["model"], **SEGFORMER}
    assert run_command("train", [str(config_file({**SHORT, **FINE, **changes})), "--dry-run"]) == 0


def test_a_run_equals_one_without_it_to_the_bit(train):
    config = {**SHORT, "method": {"type": "VDFDPlus"}}
    runs = [train("--steps", "0:2", config={**config, "rehearsal": on}) for on in (True, False)]
    assert_same_run(*runs, step=1)


def test_a_cycle_resumes_to_the_bit(train, interrupt, tmp_path):
    """OneCycleLR has a function among its state."""
    cycle = {"param_scheduler": [{"type": "OneCycleLR", "eta_max": 0.01, "total_steps": 2}]}
    whole = train("--steps", "0:1", config={**SHORT, **FINE, **cycle})
    interrupt(whole.file, tmp_path / "work", step=0, at=1)
    resumed = train("--resume", "--steps", "0:1", file=whole.file, work_dir=tmp_path / "work")
    assert_same_run(resumed, whole, step=0)


def test_what_is_refused_deletes_nothing(train, config_file, monkeypatch):
    run = train("--steps", "0:1", config={**SHORT, **FINE})
    kept = {path: path.read_bytes() for path in run.path.rglob("*.*") if path.suffix != ".log"}
    changes, *_ = FAILURES["one image under batch norm"]
    fails = str(config_file({**SHORT, **FINE, **changes}))
    for config, *steps in ((fails,), (str(run.file), "--steps", "1:")):
        arguments = [config, "--work-dir", str(run.path), "--overwrite", *steps]
        assert run_command("train", arguments) == 2
    assert all(path.read_bytes() == content for path, content in kept.items())
    # A finished run is not rehearsed.
    monkeypatch.setattr(StepTrainer, "prepare", None)
    train("--resume", "--steps", "0:1", file=run.file, work_dir=run.path)


@MODELS.register_module()
class DividingLoss(CrossEntropyLoss):
    """A user's own loss with a mistake."""

    def forward(self, *args, **kwargs):
        """Divide by zero."""
        return super().forward(*args, **kwargs) / (1 // 0)


def test_a_mistake_in_a_users_own_code_keeps_its_traceback(config_file, tmp_path, trained_steps):
    file = config_file({**SHORT, **FINE, "model.decode_head.loss_decode": {"type": "DividingLoss"}})
    with pytest.raises(ZeroDivisionError):
        run_command("train", [str(file), "--work-dir", str(tmp_path / "work")])
    assert trained_steps == []
