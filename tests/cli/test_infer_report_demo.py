"""The commands that only read finished runs, and the demo's own wiring."""

import numpy as np
from PIL import Image

from vdfd_seg.cli import demo, run_command
from vdfd_seg.engine import load_run


def test_masks_equal_the_predictions_of_the_evaluation(vdfd_run, scenes, tmp_path):
    checkpoint = vdfd_run.path / "step_02" / "checkpoint.pth"
    arguments = [str(checkpoint), str(scenes / "JPEGImages"), "--out", str(tmp_path), "--masks"]
    assert run_command("infer", arguments) == 0
    predictions = sorted((vdfd_run.predictions / "step_02").glob("val_*.png"))
    assert predictions
    for path in predictions:
        mask = np.asarray(Image.open(tmp_path / f"{path.stem}_mask.png"))
        assert (mask == np.asarray(Image.open(path))).all()


def test_plots_are_written_as_files_when_asked_for(vdfd_run, tmp_path, capfd, refused):
    plots = tmp_path / "plots"
    arguments = [str(vdfd_run.path), "--out", str(tmp_path / "r.html")]
    assert run_command("report", [*arguments, "--plots", str(plots)]) == 0
    assert {path.name for path in plots.iterdir()} == {
        f"{stem}.{suffix}"
        for stem in ("heatmap_VDFD", "confusion_VDFD", "curves", "classes")
        for suffix in ("png", "svg", "csv")
    }
    assert str(plots) in capfd.readouterr().out
    (tmp_path / "file").touch()
    assert "file: is a file" in refused("report", *arguments, "--plots", tmp_path / "file")


class TestDemo:
    def test_runs_differ_in_what_they_compare_only(self):
        runs = [load_run(demo.BENCHMARK, name).config.to_dict() for name in demo.METHODS]
        methods = [run.pop("method") for run in runs]
        for run in runs:
            run.pop("method_name", None)
        assert all(run == runs[0] for run in runs)
        unce = {"unbiased_loss": True, "new_rows": "balanced"}
        assert methods[:2] == [{"type": "FineTune"}, {"type": "FineTune", **unce}]
        assert [method["type"] for method in methods[2:]] == ["VDFD", "VDFDPlus"]

    def test_runs_of_a_seed_begin_from_its_first(self, tmp_path):
        plain, unbiased, vdfd, plus, second, *_ = demo.plan(tmp_path, [0, 1], iters=3)
        assert (plain.first, second.first) == (None, None)
        assert unbiased.first is vdfd.first is plus.first is plain
        assert (plain.folder, second.folder) == (
            tmp_path / "finetune_seed0", tmp_path / "finetune_seed1",
        )  # fmt: skip
        short = load_run(vdfd.write())
        assert short.method().weight == vdfd.settings.method().weight
        for step in range(3):
            assert short.for_step(step).train_cfg == {"max_iters": 3}
