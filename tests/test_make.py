import re
import shutil
import subprocess

import pytest

from tests.python_process import ROOT


def make_lines(*args):
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    done = subprocess.run(
        [make, "--no-print-directory", *args], cwd=ROOT, capture_output=True, text=True
    )
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


def test_system_check_refuses_an_old_or_missing_python(tmp_path):
    check = ["sh", str(ROOT / "tools/check_system.sh")]
    old = tmp_path / "python old"
    old.write_text("#!/bin/sh\necho 'old 3.9'\n")
    old.chmod(0o755)
    for python, says in ((old, "is Python 3.9"), (tmp_path / "none", "no '")):
        done = subprocess.run([*check, str(python)], capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("vdfd_seg: error: ")
        assert says in done.stderr


def test_system_check_names_what_is_missing(tmp_path):
    probe = tmp_path / "python3"
    probe.write_text(
        "#!/bin/sh\necho 'venv 3.11'\necho 'lib libGL.so.1'\n"
        "echo 'lib libglib-2.0.so.0'\necho 'lib libgthread-2.0.so.0'\n"
    )
    probe.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "tools/check_system.sh"), str(probe)], capture_output=True, text=True
    )
    assert done.returncode == 2
    for name in ("ensurepip", "libGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0"):
        assert name in done.stderr
    if "apt-get" in done.stderr:
        assert done.stderr.endswith("apt-get install python3.11-venv libgl1 libglib2.0-0\n")
