"""Kill a training process again and again: it must end as one that was never stopped.

    python tests/kill_loop.py [--kills 24] [--seed 0] [--work-dir DIR] [--fork]

Trains the tiny sequence of the tests with VDFD once without a stop. Then the same again in one
process after another: each is ended by SIGKILL, at a moment drawn at random from those in
:data:`MOMENTS` or at a random time, and the next one continues with ``--resume``, until one
finishes. At the end all weights, all that the method remembers and ``results.json`` (times
aside) must be equal, bit for bit. Prints where each process was killed; exit status 0 if equal.

Each process is a new interpreter; with ``--fork`` a copy of this one, which is killed just as
hard but does not import everything again.
"""

import argparse
import functools
import hashlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.tiny import changed, tiny_config, write_config, write_scenes  # noqa: E402

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
    "time": "at a random time",
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

MEASURED = ("seconds", "seconds_per_iter", "seconds_after_task", "peak_memory_bytes")


def prepare(folder: Path) -> Path:
    """Write the data and the config; returns the config's file."""
    return write_config(
        folder / "tiny.py", changed(tiny_config(write_scenes(folder / "d")), CONFIG)
    )


def live(arguments: list[str], moment: str | None = None, number: int = 0) -> int:
    """Run ``vdfd_seg train``, and die at the ``number``-th time that ``moment`` comes."""
    import torch

    from vdfd_seg.cli import run_command

    torch.set_num_threads(1)
    if moment not in (None, "time"):
        _arm(moment, number)
    print("ready", flush=True)
    return run_command("train", arguments)


def _arm(moment, number):
    from mmengine.optim import OptimWrapper

    from vdfd_seg.distillation import estimator
    from vdfd_seg.engine.run.step import ResumableLoop
    from vdfd_seg.models import ContinualLearner
    from vdfd_seg.utils import files

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

    def watched(path, write):
        part = parts.get(path.name)
        if part is None:
            return replace(path, write)

        def through(file):
            if moment == f"{part}-half" and left[0] == 0:
                file = _Half(file, path)
            result = write(file)
            passed(f"{part}-half")
            file.flush()
            passed(f"{part}-whole")
            return result

        replace(path, through)
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


def spawn(arguments, moment, number, fork):
    """Start a process; returns its number."""
    if fork:
        sys.stdout.flush()
        process = os.fork()
        if process == 0:
            silent = os.open(os.devnull, os.O_WRONLY)
            os.dup2(silent, 1)
            os.dup2(silent, 2)
            os._exit(live(arguments, moment, number))
        return process
    command = [sys.executable, __file__, "--live", json.dumps([arguments, moment, number])]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT
    ).pid


def survive(
    file: Path, work_dir: Path, kills: int, done: Counter, rng: random.Random, fork: bool, tell
) -> None:
    """Run processes in ``work_dir`` until one finishes, killing each while kills are left.

    Args:
        file: The config.
        work_dir: Where they all run.
        kills: How many there shall be in the end.
        done: Those made so far, by moment; added to.
        rng: Draws when.
        fork: Copies of this process instead of new ones.
        tell: Called with a line for each kill.
    """
    names = sorted(MOMENTS, key=lambda name: hash_of(name))
    while True:
        # Each moment in turn, so that none is left to chance; how often it passes first is.
        moment = names[done.total() % len(names)] if done.total() < kills else None
        rare = str(moment).startswith(("checkpoint", "results"))
        number = rng.randrange(2 if rare else 5)
        arguments = [str(file), "--work-dir", str(work_dir), "--resume"]
        process = spawn(arguments, moment, number, fork)
        if moment == "time":
            time.sleep(rng.uniform(0, 3) + (0 if fork else 8))
            os.kill(process, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
        if status == -signal.SIGKILL:
            done[moment] += 1
            tell(f"kill {done.total()}: {MOMENTS[moment]} (number {number})")
        elif status:
            raise SystemExit(f"a process in '{work_dir}' ended with status {status}")
        else:
            return


def hash_of(name: str) -> str:
    """An order of the moments that is not that of time."""
    return hashlib.sha256(name.encode()).hexdigest()


def check_complete(work_dir: Path) -> None:
    """Refuse a work dir that still has traces of an unfinished step."""
    found = [p for p in work_dir.rglob("*") if p.name.startswith(("resume", "."))]
    if found:
        raise SystemExit(f"left behind: {found}")


def differences(whole: Path, survived: Path) -> list[str]:
    """Where two finished runs differ in any bit, times aside."""
    from tests.test_resume import differences as compare
    from vdfd_seg.evaluation import load_results
    from vdfd_seg.utils.checkpoint import load_step

    found = []
    for path in sorted(whole.glob("step_*/checkpoint.pth")):
        ours, theirs = load_step(path), load_step(survived / path.relative_to(whole))
        for part in ("state_dict", "method"):
            found += compare(ours[part], theirs[part], f"{path.parent.name}.{part}")
    results = []
    for folder in (whole, survived):
        content = load_results(folder)
        content.pop("command")
        for entry in content["steps"]:
            for key in MEASURED:
                entry.pop(key)
        results.append(content)
    return found + compare(*results, "results")


def run(folder: Path, kills: int, seed: int, fork: bool, tell=print) -> Counter:
    """The whole experiment in ``folder``.

    Returns:
        Kills by moment.

    Raises:
        SystemExit: Where a run that was killed differs from the one that was not.
    """
    file = prepare(folder)
    os.environ["VDFD_SEG_CACHE"] = str(folder / "cache")
    if fork:
        # Once for all copies.
        import torch

        import vdfd_seg.engine
        import vdfd_seg.visualization  # noqa: F401

        torch.set_num_threads(1)
    process = spawn([str(file), "--work-dir", str(folder / "whole")], None, 0, fork)
    _, status = os.waitpid(process, 0)
    if status:
        raise SystemExit("the run that is not stopped failed")
    total: Counter = Counter()
    rng = random.Random(seed)
    turn = 0
    while not turn or total.total() < kills:
        work_dir = folder / f"killed_{turn}"
        survive(file, work_dir, kills, total, rng, fork, tell)
        check_complete(work_dir)
        found = differences(folder / "whole", work_dir)
        if found:
            raise SystemExit(f"differs from the run that was not stopped: {found[:10]}")
        tell(f"run {turn}: equal to the run that was not stopped, bit for bit")
        turn += 1
    return total


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--work-dir", type=Path, help="default: a temporary folder")
    parser.add_argument("--fork", action="store_true", help="copies of this process; faster")
    parser.add_argument("--live", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.live:
        sys.exit(live(*json.loads(args.live)))
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.work_dir or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        total = run(folder, args.kills, args.seed, args.fork, lambda text: print(text, flush=True))
    print(f"{total.total()} kills survived: "
          + ", ".join(f"{MOMENTS[name]} {count}" for name, count in total.items()))  # fmt: skip


if __name__ == "__main__":
    main()
