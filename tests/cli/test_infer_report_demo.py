"""The commands that only read finished runs, and the demo's own wiring."""

import signal

import numpy as np
import pytest
from PIL import Image

from vdfd_seg import engine
from vdfd_seg.cli import demo, run_command
from vdfd_seg.engine import load_run
from vdfd_seg.errors import Stopped


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

    @pytest.mark.parametrize(
        ("option", "advice"),
        [
            ([], "The same command continues."),
            (["--overwrite"], "The same command without --overwrite continues."),
        ],
    )
    def test_ctrl_c_tells_how_to_continue_the_demo(
        self, monkeypatch, tmp_path, capsys, option, advice
    ):
        """And its runs are short and begin from the first one's step 0."""
        trained = []

        def train_sequence(settings, work_dir, **arguments):
            trained.append((settings, arguments))
            if len(trained) == 3:
                raise Stopped(signal.SIGINT)
            return {"steps": []}

        monkeypatch.setattr(engine, "train_sequence", train_sequence)
        arguments = ["--out", str(tmp_path), "--iters", "3", *option]
        assert run_command("demo", arguments) == 130
        assert capsys.readouterr().err.endswith(f"stopped by SIGINT; no step started. {advice}\n")
        plain, _, vdfd = (arguments for _, arguments in trained)
        start = tmp_path / "finetune_digitscenes_4-3" / "seed_0" / "step_00" / "checkpoint.pth"
        assert (plain["init_from"], vdfd["init_from"]) == (None, start)
        short = trained[2][0]
        assert short.config.method.type == "VDFD"
        assert [short.for_step(step).train_cfg for step in range(3)] == [{"max_iters": 3}] * 3
