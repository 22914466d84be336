"""Commands run as processes: order, number, failures and interruption."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.python_process import ROOT
from vdfd_seg.multi_run.processes import Job, run_jobs


@pytest.fixture
def said():
    return []


def python(code, name="job", log=Path(os.devnull), **settings):
    return Job(name, [sys.executable, "-c", code], log, **settings)


def run(jobs, said, at_once=1):
    run_jobs(jobs, at_once, said.append, poll=0.02)


def wait_for(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def alive(number):
    try:
        with open(f"/proc/{number}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_one_after_another_in_their_order_and_logs_are_added_to(tmp_path, said):
    code = "import time; print('{0}(', end='', flush=True); time.sleep(0.1); print('{0})', end='')"
    log = tmp_path / "new" / "log"
    run([python(code.format(name), log=log) for name in "abc"], said)
    assert log.read_text() == "a(a)b(b)c(c)"
    assert said == ["start   job", "done    job"] * 3


def test_a_failure_is_shown_and_stops_nothing(tmp_path, said):
    bad = python("print('one'); print('two'); raise SystemExit(3)", "bad", tmp_path / "log")
    good = python("pass", "good")
    run([bad, good], said)
    assert (bad.status, good.status) == (3, 0)
    assert bad.failed and not good.failed
    failure = next(line for line in said if line.startswith("FAILED"))
    assert "bad (exit status 3)" in failure and str(tmp_path / "log") in failure
    assert "        one\n        two" in said
    assert said[-1] == "done    good"


def test_a_job_waits_for_the_file_it_needs_and_no_longer(tmp_path, said):
    """The producer ends only after the other has run: both run at once as soon as the file is
    there."""
    file, seen = tmp_path / "file", tmp_path / "seen"
    producer = python(
        f"import pathlib, time; time.sleep(0.2); pathlib.Path({str(file)!r}).touch()\n"
        f"while not pathlib.Path({str(seen)!r}).exists(): time.sleep(0.01)", "producer",
    )  # fmt: skip
    code = (
        f"import pathlib; pathlib.Path({str(file)!r}).stat(); pathlib.Path({str(seen)!r}).touch()"
    )
    user = python(code, "user", needs=file, producer=producer)
    run([user, producer], said, at_once=2)
    assert said[:2] == ["start   producer", "start   user"]
    assert (producer.status, user.status) == (0, 0)


@pytest.mark.parametrize("made", [True, False])
def test_a_job_whose_file_never_comes_fails(tmp_path, said, made):
    producer = python("raise SystemExit(1)", "producer") if made else None
    user = python("pass", "user", needs=tmp_path / "none", producer=producer)
    other = python("pass", "other")
    run([job for job in (producer, user, other) if job], said)
    assert user.failed and user.status is None
    assert str(tmp_path / "none") in user.reason
    assert other.status == 0


def test_what_nohup_ignores_interrupts_nothing(said):
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run([python("import os, signal; os.kill(os.getppid(), signal.SIGHUP)")], said)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert said == ["start   job", "done    job"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_interruption_ends_children_and_theirs(tmp_path, number):
    child = (
        "import os, pathlib, subprocess, sys, time\n"
        # What a job starts may ignore the interruption, as workers that load images do.
        "ignore = 'import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); '\n"
        "more = 'print(flush=True); time.sleep(100)'\n"
        "p = subprocess.Popen([sys.executable, '-c', ignore + more], stdout=subprocess.PIPE)\n"
        "p.stdout.readline()\n"
        f"file = pathlib.Path({str(tmp_path / 'pids')!r})\n"
        "file.write_text(str(os.getpid()) + ' ' + str(p.pid) + ' ')\n"
        "time.sleep(100)"
    )
    parent = (
        f"import signal, sys; sys.path.insert(0, {str(ROOT)!r})\n"
        # A process that a shell started in the background, or nohup, inherits that it ignores it.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "signal.signal(signal.SIGHUP, signal.SIG_DFL)\n"
        "from pathlib import Path\n"
        "from vdfd_seg.multi_run.processes import Job, run_jobs\n"
        f"job = Job('x', [sys.executable, '-c', {child!r}], Path('/dev/null'))\n"
        "try:\n    run_jobs([job])\n"
        "except KeyboardInterrupt:\n    sys.exit(130)"
    )
    process = subprocess.Popen([sys.executable, "-c", parent], stderr=subprocess.DEVNULL)
    wait_for(
        lambda: (tmp_path / "pids").exists() and (tmp_path / "pids").read_text().count(" ") == 2
    )
    process.send_signal(number)
    assert process.wait(30) == 130
    for pid in (tmp_path / "pids").read_text().split():
        wait_for(lambda pid=int(pid): not alive(pid))
