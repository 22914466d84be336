"""A short run of the kill loop; ``python tests/kill_loop.py --kills 26`` is a long one."""

import subprocess
import sys

from tests.kill_loop import ROOT


def test_a_run_killed_again_and_again_equals_one_that_was_not(tmp_path):
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests/kill_loop.py"), "--fork", "--kills", "6", "--work-dir",
         str(tmp_path)],
        capture_output=True, text=True, check=False, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 kills survived" in done.stdout
