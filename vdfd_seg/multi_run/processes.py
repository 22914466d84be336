"""Several commands as processes of their own, some at once; what fails stops nothing else."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PACKAGE_ROOT = Path(__file__).resolve().parents[2]
PATIENCE = ((signal.SIGINT, 10.0), (signal.SIGTERM, 5.0), (signal.SIGKILL, 5.0))
"""What a process that must end is sent, and how many seconds it gets to obey."""


@dataclass
class Job:
    """A command to run.

    Attributes:
        name: What it is called where it is reported.
        command: The command and its arguments.
        log: Where its output goes, at the end of what is there.
        needs: A file that must be there before it starts.
        producer: The job that writes ``needs``; None where nobody does any more.
        status: The exit status; None while it has not ended.
        reason: Why it failed without having run.
    """

    name: str
    command: Sequence[str]
    log: Path
    needs: Path | None = None
    producer: "Job | None" = None
    status: int | None = None
    reason: str = ""
    process: subprocess.Popen | None = field(default=None, repr=False)

    @property
    def failed(self) -> bool:
        """Whether it ended badly, or could not start."""
        return bool(self.reason) or self.status not in (None, 0)

    @property
    def done(self) -> bool:
        """Whether nothing more is to come from it."""
        return self.failed or self.status == 0


def run_jobs(
    jobs: Sequence[Job], at_once: int = 1, report: Callable[[str], None] = print, poll: float = 0.2
) -> None:
    """Run jobs in their order, at most so many at once, until all are over.

    A job whose file is not there yet is passed over until it is; when the job that writes it ends
    without having done so, it fails too. Where several run at once and ``OMP_NUM_THREADS`` is not
    set, each gets its share of the processors.

    Args:
        jobs: What to run; their ``status`` and ``reason`` are set.
        at_once: How many at most.
        report: Told when a job starts, ends or cannot start.
        poll: Seconds between two looks.

    Raises:
        KeyboardInterrupt: On SIGINT, SIGTERM or SIGHUP, after all that were started have ended.
    """
    # In a pool of workers a job that waits for its file would take the place of one that can run.
    with _interruptible():
        try:
            while not all(job.done for job in jobs):
                for job in filter(_runs, jobs):
                    _look_at(job, report)
                for job in jobs:
                    free = sum(map(_runs, jobs)) < at_once
                    if free and not job.done and not job.process and _ready(job, report):
                        report(f"start   {job.name}")
                        job.process = _start(job, at_once)
                if any(map(_runs, jobs)):
                    time.sleep(poll)
        finally:
            _end([job.process for job in filter(_runs, jobs)])


def _runs(job):
    return job.process is not None and not job.done


def _look_at(job, report):
    job.status = job.process.poll()
    if job.status == 0:
        report(f"done    {job.name}")
    elif job.failed:
        report(f"FAILED  {job.name} (exit status {job.status}), {job.log}")
        lines = job.log.read_text(errors="replace").splitlines()[-15:]
        report("\n".join(f"        {line}" for line in lines))


def _ready(job, report):
    if job.needs is None or job.needs.exists():
        return True
    if job.producer is None or job.producer.done:
        job.reason = f"'{job.needs}', which it starts from, was not written"
        report(f"FAILED  {job.name}: {job.reason}")
    return False


def _start(job, at_once):
    paths = [str(PACKAGE_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    if at_once > 1:
        environment.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // at_once)))
    job.log.parent.mkdir(parents=True, exist_ok=True)
    with open(job.log, "ab") as log:
        # A session of its own: what it starts itself, as workers that load images, ends with it.
        return subprocess.Popen(
            job.command, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip


def _end(processes):
    for number, seconds in PATIENCE:
        alive = [process for process in processes if process.poll() is None]
        for process in alive:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
        deadline = time.monotonic() + seconds
        for process in alive:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, deadline - time.monotonic()))
    # What a process started may have outlived it, by ignoring what ended it.
    for process in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let the signals that would end this process without a word interrupt it instead."""
    main = threading.current_thread() is threading.main_thread()
    numbers = (signal.SIGTERM, signal.SIGHUP) if main else ()
    # As Ctrl-C: KeyboardInterrupt. What is ignored (SIGHUP under nohup) would end nothing.
    kept = [
        (number, signal.signal(number, signal.default_int_handler))
        for number in numbers
        if signal.getsignal(number) is not signal.SIG_IGN
    ]
    try:
        yield
    finally:
        for number, handler in kept:
            signal.signal(number, handler)
