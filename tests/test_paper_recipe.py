"""The one command that runs the paper's recipes, as its page shows it, at a small size."""

from pathlib import Path

import numpy as np
import pytest

from tests.documented import ROOT, commands, parsed, tool_of
from tests.tiny import Interrupted
from vdfd_seg.cli import run_command
from vdfd_seg.datasets import write_arrays
from vdfd_seg.engine.input.overrides import parse_options
from vdfd_seg.engine.run.step_runner import ResumableLoop
from vdfd_seg.multi_run.plan import plan_runs, unfinished
from vdfd_seg.protocols import cifar

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs/en/notes/results_cifar100.md"
SMALL = (
    "protocol.num_classes=20", "protocol.tasks=2", "train_cfg._delete_=True",
    "train_cfg.max_iters=2", "save_interval=1", "model.backbone.depths=[1,1,1,1]",
    "model.backbone.widths=[8,8,8,512]", "compile.backend=eager",
)  # fmt: skip
"""Two tasks of two iterations; the class-incremental GCN is made for 512 features."""


@pytest.fixture
def command(tmp_path):
    """The command's arguments, as parsed."""
    (tmp_path / "shell").mkdir()
    found = [c for c in commands(PAGE, tmp_path / "shell") if "work_dirs/paper" in c]
    assert len(found) == 1
    return parsed(*tool_of(found[0]))


def test_it_runs_is_ended_within_a_step_and_goes_on(command, tmp_path, monkeypatch, capsys):
    labels = np.arange(80) % 20
    images = np.random.default_rng(0).integers(0, 256, (80, 32, 32, 3), dtype=np.uint8)
    for split in ("train", "test"):
        write_arrays(tmp_path / "data", split, images, labels, cifar.CLASSES)
    small = [*command.cfg_options, f"data_root={tmp_path / 'data'}", *SMALL]
    work = tmp_path / "work"
    runs = plan_runs(
        command.configs, work, command.seeds, options=parse_options(small), methods=command.methods
    )
    assert len({run.settings.name for run in runs}) == len(runs) == 12
    done, stops = ResumableLoop.run_iter, [("step_01", 1)]

    def stopping(self, batch):
        if (Path(self.runner.work_dir).name, self._iter) in stops:
            stops.clear()
            raise Interrupted
        return done(self, batch)

    monkeypatch.setattr(ResumableLoop, "run_iter", stopping)
    with pytest.raises(Interrupted):
        run_command("train", unfinished(runs)[0][1][1:])
    assert (runs[0].folder / "step_01/resume.pth").exists()
    for _, arguments in unfinished(runs):
        assert run_command("train", arguments[1:]) == 0
    again = [*command.configs, "--methods", *command.methods, "--work-dir", str(work)]
    assert run_command("multi_run", [*again, "--cfg-options", *small]) == 0
    assert "12 runs, 12 of them finished already" in capsys.readouterr().out
