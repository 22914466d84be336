"""Kill a training process again and again: it must end as one that was never stopped.

    python tests/kill_loop.py FOLDER [--kills 24] [--seed 0]

Trains the tiny sequence of the tests with VDFD once without a stop. Then the same again in one
process after another: each is ended by SIGKILL at one of :data:`MOMENTS`, and the next one
continues with ``--resume``, until one finishes. At the end all weights, all that the method
remembers and ``results.json`` (times aside) must be equal, bit for bit. Prints where each process
was killed; exit status 0 if equal.

The processes are copies of this one (forks): they are killed as hard as new ones, but do not
import everything again.
"""

import argparse
import functools
import os
import random
import signal
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import torch
from mmengine.optim import OptimWrapper

import vdfd_seg.visualization  # noqa: F401
from tests.test_resume import LAST, assert_same_run
from tests.tiny import changed, tiny_config, write_config, write_scenes
from vdfd_seg.cli import run_command
from vdfd_seg.distillation import estimator
from vdfd_seg.engine.run.step_runner import ResumableLoop
from vdfd_seg.evaluation import load_results
from vdfd_seg.models import ContinualLearner
from vdfd_seg.utils import files

MOMENTS = {
    "iteration": "before an iteration",
    "update": "after the update of the weights, before its iteration is counted",
    "state-half": "half of resume.pth written",
    "state-whole": "resume.pth written, not yet renamed",
    "state-done": "resume.pth renamed",
    "estimate": "while the gradient memory is estimated",
    "checkpoint-half": "half of checkpoint.pth written",
    "checkpoint-whole": "checkpoint.pth written, not yet renamed",
    "checkpoint-done": "checkpoint.pth renamed, nothing evaluated",
    "evaluation": "during evaluation",
    "results-half": "half of results.json written",
    "results-done": "results.json written, before the next step",
}
"""Where a process can be killed."""

CONFIG = {
    "train_cfg": {"max_iters": 6},
    "step_overrides": {},
    "save_interval": 2,
    "method": {"type": "VDFD", "weight": 10.0},
    "model.decode_head.dropout_ratio": 0.2,
    "train_dataloader.batch_size": 2,
}
"""Changes of the tiny config: six iterations a step, saved every second."""


def arm(moment, number):
    """Die at the ``number``-th time that ``moment`` comes."""
    left = [number]

    def passed(name):
        if name != moment:
            return
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left[0] -= 1

    def before(owner, name, key):
        original = getattr(owner, name)

        @functools.wraps(original)
        def wrapped(*args, **kwargs):
            passed(key)
            return original(*args, **kwargs)

        setattr(owner, name, wrapped)

    before(ResumableLoop, "run_iter", "iteration")
    before(OptimWrapper, "zero_grad", "update")
    before(ContinualLearner, "test_step", "evaluation")
    before(estimator.MeanGradientEstimator, "update", "estimate")
    replace = files._replace
    parts = {"resume.pth": "state", "checkpoint.pth": "checkpoint", "results.json": "results"}

    def watched(path, write, durable):
        part = parts.get(path.name)
        if part is None:
            return replace(path, write, durable)

        def through(file):
            if moment == f"{part}-half" and left[0] == 0:
                file = _Half(file, path)
            result = write(file)
            passed(f"{part}-half")
            file.flush()
            passed(f"{part}-whole")
            return result

        replace(path, through, durable)
        passed(f"{part}-done")

    files._replace = watched


class _Half:
    """A file that takes half of what the last file of the name had, and kills the process."""

    def __init__(self, file, path):
        self.file = file
        self.left = path.stat().st_size // 2 if path.exists() else 1000

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, content):
        adapter = memoryview(content).cast("B")
        if len(adapter) < self.left:
            self.left -= len(adapter)
            return self.file.write(content)
        self.file.write(adapter[: self.left])
        self.file.flush()
        getattr(self.file, "file", self.file).flush()
        os.kill(os.getpid(), signal.SIGKILL)


def train(file, work_dir, moment=None, number=0):
    """Run ``vdfd_seg train`` in a process that dies at a moment; returns its exit status."""
    sys.stdout.flush()
    process = os.fork()
    if process == 0:
        silent = os.open(os.devnull, os.O_WRONLY)
        os.dup2(silent, 1)
        os.dup2(silent, 2)
        if moment:
            arm(moment, number)
        os._exit(run_command("train", [str(file), "--work-dir", str(work_dir), "--resume"]))
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def survive(file: Path, work_dir: Path, kills: int, done: Counter, rng: random.Random) -> None:
    """Run processes in ``work_dir`` until one finishes, killing each while kills are left.

    Args:
        file: The config.
        work_dir: Where they all run.
        kills: How many there shall be in the end.
        done: Those made so far, by moment; added to.
        rng: Draws how often a moment passes first.
    """
    # In an order that is not that of time.
    names = random.Random(0).sample(list(MOMENTS), len(MOMENTS))
    while True:
        # Each moment in turn, so that none is left to chance.
        moment = names[done.total() % len(names)] if done.total() < kills else None
        rare = str(moment).startswith(("checkpoint", "results"))
        number = rng.randrange(2 if rare else 5)
        status = train(file, work_dir, moment, number)
        if status == -signal.SIGKILL:
            done[moment] += 1
            print(f"kill {done.total()}: {MOMENTS[moment]} (number {number})", flush=True)
        elif status:
            raise SystemExit(f"a process in '{work_dir}' ended with status {status}")
        else:
            return


def finished(work_dir: Path) -> SimpleNamespace:
    """A finished run, which has no traces of an unfinished step."""
    found = [p for p in work_dir.rglob("*") if p.name.startswith(("resume", "."))]
    if found:
        raise SystemExit(f"left behind: {found}")
    return SimpleNamespace(path=work_dir, results=load_results(work_dir))


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    os.environ["VDFD_SEG_CACHE"] = str(args.folder / "cache")
    torch.set_num_threads(1)
    config = changed(tiny_config(write_scenes(args.folder / "data")), CONFIG)
    file = write_config(args.folder / "tiny.py", config)
    if train(file, args.folder / "whole"):
        raise SystemExit("the run that is not stopped failed")
    whole, rng = finished(args.folder / "whole"), random.Random(args.seed)
    total: Counter = Counter()
    turn = 0
    while not turn or total.total() < args.kills:
        work_dir = args.folder / f"killed_{turn}"
        survive(file, work_dir, args.kills, total, rng)
        for step in range(LAST + 1):
            assert_same_run(finished(work_dir), whole, step)
        print(f"run {turn}: equal to the run that was not stopped, bit for bit", flush=True)
        turn += 1
    print(f"{total.total()} kills survived: "
          + ", ".join(f"{MOMENTS[name]} {count}" for name, count in total.items()))  # fmt: skip


if __name__ == "__main__":
    main()
