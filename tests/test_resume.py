"""Interrupted and divided runs end as one that was never interrupted, bit for bit."""

import time

import pytest
import torch

from tests.tiny import TASKS, Interrupted
from vdfd_seg.cli import run_command
from vdfd_seg.engine.run import sequence
from vdfd_seg.engine.run.step_runner import ResumableLoop
from vdfd_seg.methods import FineTune

SHORT = {
    "train_cfg": {"max_iters": 4},
    "step_overrides": {},
    "save_interval": 2,
    "method": {"type": "VDFD", "weight": 10.0},
}
"""Changes of the config: four iterations a step, saved every second, a strong penalty."""
TIMES = (
    "seconds", "seconds_per_iter", "seconds_after_task", "peak_memory_bytes", "peak_memory_of",
)  # fmt: skip


def without_times(results):
    steps = [{k: v for k, v in entry.items() if k not in TIMES} for entry in results["steps"]]
    kept = {k: v for k, v in results.items() if k not in ("command", "environment", "digest")}
    return {**kept, "steps": steps}


def checkpoint(run, step):
    path = run.path / f"step_{step:02d}" / "checkpoint.pth"
    return torch.load(path, map_location="cpu", weights_only=True)


def differences(ours, theirs, where=""):
    """Where two states differ in any bit."""
    if isinstance(ours, torch.Tensor):
        equal = ours.dtype == theirs.dtype and torch.equal(ours, theirs)
        return [] if equal else [where]
    if isinstance(ours, dict):
        if ours.keys() != theirs.keys():
            return [where]
        return [d for key in ours for d in differences(ours[key], theirs[key], f"{where}.{key}")]
    if isinstance(ours, list):
        if len(ours) != len(theirs):
            return [where]
        pairs = zip(ours, theirs, strict=True)
        return [d for i, (a, b) in enumerate(pairs) for d in differences(a, b, f"{where}[{i}]")]
    return [] if ours == theirs else [where]


LAST = len(TASKS) - 1


def assert_same_run(ours, theirs, step=LAST):
    for part in ("state_dict", "method"):
        found = differences(checkpoint(ours, step)[part], checkpoint(theirs, step)[part], part)
        assert found == []
    assert without_times(ours.results) == without_times(theirs.results)


def modified(run):
    return {path: path.stat().st_mtime_ns for path in run.path.glob("step_*/checkpoint.pth")}


@pytest.fixture(scope="module")
def short_run(train):
    """A run never interrupted, of a few iterations."""
    return train(config=SHORT)


class TestBetweenSteps:
    def test_steps_run_on_another_day_equal_one_run(self, short_run, train, trained_steps):
        first = train("--steps", "0:1", file=short_run.file)
        assert first.results["matrix"] == short_run.results["matrix"][:1]
        whole = without_times(short_run.results)
        assert without_times(first.results)["steps"] == whole["steps"][:1]
        assert trained_steps == [0]
        before = modified(first)
        rest = train("--resume", file=short_run.file, work_dir=first.path)
        assert trained_steps == [0, 1, 2]
        assert before.items() <= modified(rest).items()
        assert_same_run(rest, short_run)

    def test_finished_run_is_not_run_again(self, vdfd_run, train, trained_steps, monkeypatch):
        evaluated = []
        evaluate = sequence.evaluate_step
        monkeypatch.setattr(
            sequence, "evaluate_step", lambda *a: evaluated.append(a) or evaluate(*a)
        )
        before = modified(vdfd_run)
        again = train("--resume", file=vdfd_run.file, work_dir=vdfd_run.path)
        assert len(before) == 3
        assert modified(again) == before
        assert (trained_steps, evaluated) == ([], [])
        assert again.results == vdfd_run.results

    def test_overwrite_begins_again(self, short_run, train, trained_steps):
        file = short_run.file
        first = train("--steps", "0", file=file)
        (first.path / "step_02").mkdir()
        (first.path / "step_02" / "checkpoint.pth").write_bytes(b"of an earlier run")
        second = train("--overwrite", "--steps", "0", file=file, work_dir=first.path)
        assert trained_steps == [0, 0]
        assert not (second.path / "step_02").exists()
        assert without_times(second.results) == without_times(first.results)


class TestWithinStep:
    def test_resumed_equals_uninterrupted(self, short_run, train, interrupt, monkeypatch, tmp_path):
        """Interrupted in step 1 one iteration after its state was saved."""
        interrupt(short_run.file, tmp_path / "work", step=1, at=3)
        state = torch.load(tmp_path / "work" / "step_01" / "resume.pth", weights_only=True)
        iterations, done = [], ResumableLoop.run_iter
        monkeypatch.setattr(
            ResumableLoop, "run_iter", lambda s, batch: iterations.append(s._iter) or done(s, batch)
        )
        resumed = train("--resume", file=short_run.file, work_dir=tmp_path / "work")
        assert_same_run(resumed, short_run, step=1)
        assert_same_run(resumed, short_run, step=2)
        # Only what was not saved is trained again.
        assert state["iteration"] == 2
        assert iterations == [2, 3, 0, 1, 2, 3]

    @pytest.mark.parametrize(
        ("changes", "at"),
        [
            pytest.param({}, 1, id="before anything was saved"),
            pytest.param({"train_dataloader.num_workers": 1}, 3, id="images from a worker process"),
            pytest.param(
                {"save_interval": 1, "optim_wrapper.accumulative_counts": 2}, 3,
                id="gradients of two iterations summed",
            ),
        ],
    )  # fmt: skip
    def test_first_step_resumed_equals_uninterrupted(
        self, train, config_file, interrupt, tmp_path, changes, at
    ):
        file = config_file({**SHORT, **changes})
        whole = train("--steps", "0", file=file)
        interrupt(file, tmp_path / "work", step=0, at=at)
        assert (tmp_path / "work" / "step_00" / "resume.pth").exists() == (at > 1)
        resumed = train("--resume", "--steps", "0", file=file, work_dir=tmp_path / "work")
        assert_same_run(resumed, whole, step=0)

    def test_other_settings_are_refused_before_anything_is_tried(
        self, config_file, interrupt, tmp_path, refused, monkeypatch
    ):
        interrupt(config_file(SHORT), tmp_path / "work", step=0, at=3)
        state = tmp_path / "work" / "step_00" / "resume.pth"
        before = state.read_bytes()
        monkeypatch.setattr(sequence, "rehearse", None)
        changes = {
            "train_dataloader.batch_size": (3, "batch_size of all processes was 4, now 3."),
            "method": ({**SHORT["method"], "weight": 2.0}, ": method.weight was 10.0, now 2.0."),
        }
        for key, (value, words) in changes.items():
            file = config_file({**SHORT, key: value})
            message = refused("train", file, "--work-dir", tmp_path / "work", "--resume")
            assert f"'{state}' is the same step (step 0, unfinished) with other" in message
            assert words in message
        assert state.read_bytes() == before


def test_a_step_whose_checkpoint_is_there_is_only_evaluated(
    short_run, train, trained_steps, monkeypatch, tmp_path
):
    work_dir = tmp_path / "work"
    evaluate = sequence.evaluate_step

    def stopping(settings, data, step, learner):
        if step == 1:
            raise Interrupted
        return evaluate(settings, data, step, learner)

    with monkeypatch.context() as patch:
        patch.setattr(sequence, "evaluate_step", stopping)
        with pytest.raises(Interrupted):
            run_command("train", [str(short_run.file), "--work-dir", str(work_dir)])
    before = (work_dir / "step_01" / "checkpoint.pth").stat().st_mtime_ns
    trained_steps.clear()
    resumed = train("--resume", file=short_run.file, work_dir=work_dir)
    assert trained_steps == [2]
    assert (work_dir / "step_01" / "checkpoint.pth").stat().st_mtime_ns == before
    assert_same_run(resumed, short_run)


def test_a_run_that_begins_from_another_s_step_0(vdfd_run, finetune_run, train):
    """It ends as one of its own, since step 0 does not depend on the method."""
    start = finetune_run.path / "step_00" / "checkpoint.pth"
    taken = train("--init-from", start, file=vdfd_run.file)
    ours, theirs = (checkpoint(run, 0)["state_dict"] for run in (taken, finetune_run))
    assert differences(ours, theirs) == []
    assert taken.results["steps"][0]["seconds"] == 0
    assert_same_run(taken, vdfd_run)


def test_the_config_in_the_work_dir_gives_the_same_run(short_run, train):
    again = train("--steps", "0", file=short_run.path / short_run.file.name)
    saved = checkpoint(again, 0)
    assert differences(saved["state_dict"], checkpoint(short_run, 0)["state_dict"]) == []
    written = (again.path / short_run.file.name).read_text()
    assert saved["meta"]["config"] == written == checkpoint(short_run, 0)["meta"]["config"]
    assert "lr=0.01" in written


def test_seconds_count_what_the_method_prepares(train, monkeypatch):
    monkeypatch.setattr(FineTune, "before_task", lambda self, context: time.sleep(0.1))
    for entry in train(config={**SHORT, "method": {"type": "FineTune"}}).results["steps"]:
        assert entry["seconds"] - 4 * entry["seconds_per_iter"] > 0.1
