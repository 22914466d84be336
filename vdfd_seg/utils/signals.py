"""Signals that end a run: training is saved first, and the exit status names the signal.

SIGINT (Ctrl-C), SIGTERM and SIGUSR1 (Slurm's warning before the time is up) do not interrupt an
iteration: the loop saves after it and then ends. Outside training everything that counts is on the
disk already, so the run ends at once. It also ends at once at the second signal.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce, get_world_size

from vdfd_seg.errors import Stopped
from vdfd_seg.registry import FUNCTIONS

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
AGREE_EVERY = 5
"""Iterations between the processes' asking each other whether one was told to stop."""


class _State:
    number = 0
    training = False


@contextmanager
def listening() -> Iterator[None]:
    """Handle :data:`SIGNALS` inside; only the main thread can."""
    _State.number, _State.training = 0, False
    try:
        before = {number: signal.signal(number, _handle) for number in SIGNALS}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        # The process may continue with another run.
        _State.number = 0


@contextmanager
def training() -> Iterator[None]:
    """Inside, the first signal waits for :func:`asked_to_stop`."""
    _State.training = True
    try:
        yield
    finally:
        _State.training = False


def asked_to_stop(iteration: int, last: bool = False) -> int:
    """The number of the signal that came, 0 if none; called after ``iteration`` iterations.

    All processes get the same answer, since one that left alone would keep the others waiting:
    they ask each other every :data:`AGREE_EVERY` iterations, and after the last.
    """
    if get_world_size() == 1:
        return _State.number
    if iteration % AGREE_EVERY and not last:
        return 0
    number = torch.tensor(_State.number, device=get_device())
    all_reduce(number, "max")
    return int(number)


def requeue(number: int) -> bool:
    """Put a Slurm job back into the queue if the signal that ended it is Slurm's warning.

    Returns:
        Whether it was put back. The first process of the job does it.
    """
    job = os.environ.get("SLURM_JOB_ID")
    if number != signal.SIGUSR1 or job is None or os.environ.get("SLURM_PROCID", "0") != "0":
        return False
    if shutil.which("scontrol") is None:
        print("vdfd_seg: scontrol is not here: the job is not requeued", file=sys.stderr)
        return False
    done = subprocess.run(["scontrol", "requeue", job], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"vdfd_seg: job {job} is not requeued: {done.stderr.strip()}", file=sys.stderr)
    return done.returncode == 0


def lost_process(error: Exception) -> bool:
    """Whether a collective operation failed because another process is gone."""
    if get_world_size() == 1:
        return False
    words = ("closed by peer", "reset by peer", "broken pipe", "timed out", "gloo", "nccl")
    return any(word in str(error).lower() for word in words)


@FUNCTIONS.register_module()
def ignore_signals(worker_id: int, then: Mapping | None = None) -> None:
    """Let the workers of a data loader ignore signals to the process that trains.

    A terminal, torchrun and Slurm signal the whole process group, which would end the workers
    before the iteration that waits for them. Their parent ends them.

    Args:
        worker_id: The worker's number.
        then: What it calls next, as a config's ``worker_init_fn``.
    """
    os.setpgid(0, 0)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    if then:
        options = dict(then)
        kind = options.pop("type")
        (FUNCTIONS.get(kind) if isinstance(kind, str) else kind)(worker_id, **options)


def _handle(number, _):
    waits = _State.training and not _State.number
    _State.number = number
    if not waits:
        raise Stopped(number)
    print(
        f"vdfd_seg: {signal.Signals(number).name}: the run stops after this iteration; "
        f"a second signal stops it at once",
        file=sys.stderr,
        flush=True,
    )
