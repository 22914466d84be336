"""Several configs with several seeds: what runs, what is shared, what is kept, what fails."""

import json
from types import SimpleNamespace

import pytest

from tests import several_processes
from tests.test_resume import differences, without_times
from tests.tiny import changed, tiny_classifier_config, write_config
from vdfd_seg.cli import run_command
from vdfd_seg.cli.multi_run import best_of
from vdfd_seg.engine import load_run
from vdfd_seg.errors import InputError
from vdfd_seg.multi_run.plan import plan_runs
from vdfd_seg.utils.paths import configs_dir

METHODS = {
    "plain": {"type": "FineTune"},
    "ours": {"type": "VDFD", "weight": 5.0, "images": 40},
    "si": {"type": "SI"},
}


@pytest.fixture(scope="module")
def configs(digits, tmp_path_factory):
    """Files of three methods over two tasks of two digits, two passes each."""
    folder = tmp_path_factory.mktemp("configs")
    files = {}
    for name, method in METHODS.items():
        config = tiny_classifier_config(digits, method)
        changes = {"protocol.num_classes": 4, "protocol.tasks": 2}
        files[name] = write_config(folder / f"{name}.py", changed(config, changes))
    return files


def multi_run(work_dir, *configs, jobs="2"):
    arguments = [*map(str, configs), "--seeds", "0", "1", "--jobs", jobs, "--share-first"]
    return run_command("multi_run", [*arguments, "--work-dir", str(work_dir)])


@pytest.fixture(scope="module")
def done(configs, tmp_path_factory):
    """Two configs with two seeds, whose processes ran two at once; what is there, and then."""
    work_dir = tmp_path_factory.mktemp("multi") / "work"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OMP_NUM_THREADS", "1")
        assert multi_run(work_dir, configs["plain"], configs["ours"]) == 0
    return SimpleNamespace(path=work_dir, files=[configs["plain"], configs["ours"]])


def state(done, config, seed, step):
    return several_processes.state(done.path / config / f"seed_{seed}", step)["state_dict"]


def results(folder):
    return json.loads((folder / "results.json").read_text())


class TestRuns:
    def test_every_run_is_that_of_train_from_the_step_0_of_its_seed(self, done, train):
        for config, method in (("plain", "FineTune"), ("ours", "VDFD")):
            for seed in (0, 1):
                found = results(done.path / config / f"seed_{seed}")
                assert (found["config"], found["method"], found["seed"]) == (config, method, seed)
                assert [step["step"] for step in found["steps"]] == [0, 1]
        alone = train("--seed", "1", file=done.files[0]).results
        assert without_times(results(done.path / "plain" / "seed_1")) == without_times(alone)
        for seed in (0, 1):
            assert not differences(state(done, "plain", seed, 0), state(done, "ours", seed, 0))
            assert differences(state(done, "plain", seed, 1), state(done, "ours", seed, 1))
        assert differences(state(done, "plain", 0, 0), state(done, "plain", 1, 0))

    def test_comparison_and_report(self, done):
        text = (done.path / "comparison.txt").read_text()
        rows = [line.split("|") for line in text.splitlines() if "±" in line]
        expected = [("FineTune", "2"), ("VDFD", "2")]
        assert [(row[1].strip(), row[2].strip()) for row in rows] == expected
        page = (done.path / "report.html").read_text()
        assert "FineTune, seed 0" in page and "VDFD, seed 1" in page

    def test_finished_runs_are_skipped_and_others_gone_on_with(self, done, capfd):
        """One step is taken away: it is trained again to the same bits. One is damaged, and with it
        the one that it came from: an error that stops nothing."""
        before = state(done, "ours", 1, 1)
        kept = done.path / "plain" / "seed_0" / "step_01" / "checkpoint.pth"
        time = kept.stat().st_mtime_ns
        assert multi_run(done.path, *done.files) == 0
        assert "4 runs, 4 of them finished already" in capfd.readouterr().out
        (done.path / "ours" / "seed_1" / "step_01" / "checkpoint.pth").unlink()
        (done.path / "ours" / "seed_0" / "step_01" / "checkpoint.pth").unlink()
        for method in ("plain", "ours"):
            damaged = done.path / method / "seed_0" / "step_00" / "checkpoint.pth"
            damaged.write_bytes(b"damaged")
        assert multi_run(done.path, *done.files, jobs="1") == 1
        out = capfd.readouterr().out
        assert "4 runs, 2 of them finished already" in out
        assert "FAILED  VDFD, seed 0 (exit status 2)" in out
        assert "vdfd_seg: error: " in out and "step_00/checkpoint.pth" in out
        assert out.index("FAILED  VDFD, seed 0") < out.index("done    VDFD, seed 1")
        assert "not finished: VDFD, seed 0" in out
        assert not differences(state(done, "ours", 1, 1), before)
        assert kept.stat().st_mtime_ns == time

    def test_other_options_are_not_taken_for_the_same_run(self, done, refused):
        options = ["--share-first", "--cfg-options", "optim_wrapper.optimizer.lr=0.1"]
        message = refused("multi_run", *done.files, "--work-dir", done.path, *options)
        words = "holds another run: options.optim_wrapper.optimizer.lr was not set, now 0.1"
        assert words in message


class TestPlan:
    def plan(self, tmp_path, *files, seeds=(0,), orders=0, **settings):
        return plan_runs(list(files), tmp_path, list(seeds), orders, **settings)

    @pytest.fixture(autouse=True)
    def imported(self, stack):
        pass

    def test_orders_are_the_same_for_every_method(self, configs, tmp_path):
        runs = self.plan(tmp_path, configs["plain"], configs["si"], seeds=(3, 4), orders=2)
        assert len(runs) == 8
        tasks = {}
        for run in runs:
            saved = load_run(run.write())
            assert (saved.name, saved.seed) == (run.settings.name, run.settings.seed)
            assert saved.protocol == run.settings.protocol
            tasks.setdefault(run.order, set()).add(saved.protocol.tasks)
        assert [len(tasks[1]), len(tasks[2])] == [1, 1]
        assert tasks[1] != tasks[2]
        folder = tmp_path / "si" / "order_2" / "seed_4"
        assert folder in {run.folder for run in runs}

    def test_what_cannot_share_trains_its_own(self, configs, tmp_path, capsys):
        wide = tmp_path / "wide.py"
        text = configs["ours"].read_text().replace("'widths': (8, 16)", "'widths': (8, 24)")
        wide.write_text(text + "method_name = 'Wide'\n")
        runs = self.plan(
            tmp_path, configs["plain"], configs["si"], wide, configs["ours"],
            seeds=(0, 1), share_first=True,
        )  # fmt: skip
        shared = {run.settings.name: run.first for run in runs[:4]}
        assert shared == {"plain": None, "si": None, "wide": None, "ours": runs[0]}
        assert runs[7].first is runs[4]
        assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == [
            "SI trains its own step 0", "Wide trains its own step 0",
        ]  # fmt: skip

    def test_configs_of_one_method_are_called_by_their_files(self, configs, tmp_path):
        other = tmp_path / "other.py"
        other.write_text(configs["ours"].read_text())
        runs = self.plan(tmp_path, configs["plain"], configs["ours"], other)
        assert [run.method for run in runs] == ["FineTune", "ours", "other"]

    def test_a_benchmark_with_several_methods(self, tmp_path):
        """Each run's config is what ``--method`` composes; a pair with its own file takes that."""
        runs = self.plan(tmp_path, "digitscenes_4-3", methods=["mib", "plop"], share_first=True)
        names = ["mib_digitscenes_4-3", "plop_digitscenes_4-3"]
        assert [run.folder for run in runs] == [tmp_path / name / "seed_0" for name in names]
        assert [run.method for run in runs] == ["MiB", "PLOP"] and runs[1].first is runs[0]
        assert runs[1].settings.files == (configs_dir() / "results/plop_digitscenes_4-3.py",)
        for run, name in zip(runs, names, strict=True):
            saved = load_run(run.write())
            assert saved.name == name
            assert saved.config.to_dict() == run.settings.config.to_dict()

    @pytest.mark.parametrize(
        ("count", "settings", "message"),
        [
            (2, {}, "'plain' is given twice"),
            (1, {"seeds": (0, 0)}, "the seed '0' is given twice"),
            (1, {"orders": 2, "options": {"protocol.order": ["a"]}}, "give one"),
            (1, {"orders": 25}, "25 orders asked for"),
            *((1, {"grid": grid}, "--grid")
              for grid in (["method.weight"], ["seed=1,,2"], ["seed=1", "seed=2"])),
        ],
    )  # fmt: skip
    def test_bad_input_is_refused(self, configs, tmp_path, count, settings, message):
        with pytest.raises(InputError, match=message):
            self.plan(tmp_path, *[configs["plain"]] * count, **settings)


def test_what_has_no_text_is_trained_from_its_own_file_or_refused(configs, tmp_path, stack):
    file = tmp_path / "endless.py"
    file.write_text(f"_base_ = [{str(configs['ours'])!r}]\nown = float('inf')\n")
    (run,) = plan_runs([file], tmp_path / "runs", [0])
    assert load_run(run.write()).config.own == float("inf")
    (run,) = plan_runs([file], tmp_path / "others", [0], options={"method.weight": 2})
    with pytest.raises(InputError, match="'endless' has a value that cannot be written"):
        run.write()


class TestGrid:
    def test_every_combination_is_a_run_of_its_own(self, configs, tmp_path, stack):
        grid = ["method.weight=1,5", "method.rank=1,2"]
        runs = plan_runs([configs["ours"]], tmp_path, [0, 1], grid=grid)
        folders = [run.folder.relative_to(tmp_path).parts for run in runs]
        assert len(set(folders)) == len(runs) == 8
        assert ("ours", "method.weight=5,method.rank=1", "seed_1") in folders
        chosen = {(r.settings.config.method.weight, r.settings.config.method.rank) for r in runs}
        assert chosen == {(1, 1), (1, 2), (5, 1), (5, 2)}
        assert len({run.method for run in runs}) == 4

    def test_the_best_point_has_the_best_mean(self):
        def run(point, value, finished=True):
            return SimpleNamespace(
                settings=SimpleNamespace(name="mib"), method=f"MiB, {point}", finished=finished,
                results=lambda: {"steps": [{"overall": 99.0}, {"overall": value}]},
            )  # fmt: skip

        runs = [run("w=1", 10.0), run("w=1", 30.0), run("w=2", 25.0), run("w=2", 90.0, False)]
        assert best_of(runs) == ["best of mib: MiB, w=2 (25.00)"]
