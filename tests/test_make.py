import re
import shutil
import subprocess

import pytest

from tests.python_process import ROOT


def run_shell(*command):
    return subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True)


def make_lines(*args):
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    done = run_shell("make", "--no-print-directory", *args)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_help_has_every_target_and_variable():
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split()
    assert {"demo", "test", "help", "venv", "clean"} <= set(targets)
    shown = make_lines("help")
    for target in targets:
        assert re.search(rf"^  {target} +\w", shown, re.M), target
    for variable in re.findall(r"^(\w+) \?=", text, re.M):
        assert re.search(rf"^  {variable} +\w", shown, re.M), variable
    assert make_lines() == shown  # what bare `make` does


def test_some_tests_run_a_second_time_as_with_avx2():
    for target in ("test", "test-all"):
        short, whole = make_lines("-n", target, "TEST_ARGS=-k growth").splitlines()[-2:]
        assert short.startswith("ONEDNN_MAX_CPU_ISA=AVX2 OMP_NUM_THREADS=1 "), target
        assert '-k growth -m "processor and not slow" || [ $? -eq 5 ]' in short
        assert whole.startswith("OMP_NUM_THREADS=1 ") and whole.endswith("-k growth")


@pytest.fixture
def check(tmp_path):
    """What is said where an interpreter answers in its way to the system check, which fails."""

    def run(*answers):
        probe = tmp_path / "a python"
        probe.write_text("#!/bin/sh\n" + "".join(f"echo '{answer}'\n" for answer in answers))
        probe.chmod(0o755)
        python = probe if answers else tmp_path / "none"
        done = run_shell("sh", "tools/check_system.sh", python)
        assert done.returncode == 2
        assert done.stderr.startswith("vdfd_seg: error: ")
        return done.stderr

    return run


def test_system_check_names_what_is_missing(check):
    assert "no '" in check()
    assert "is Python 3.9" in check("old 3.9")
    libraries = ("libGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0")
    said = check("venv 3.11", *(f"lib {name}" for name in libraries))
    assert [name for name in ("ensurepip", *libraries) if name not in said] == []
    if "apt-get" in said:
        assert said.endswith("apt-get install python3.11-venv libgl1 libglib2.0-0\n")
