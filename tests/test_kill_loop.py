"""A short run of the kill loop; ``python tests/kill_loop.py FOLDER --kills 26`` is a long one."""

from tests.python_process import run_python


def test_a_run_killed_again_and_again_equals_one_that_was_not(tmp_path):
    done = run_python("tests/kill_loop.py", tmp_path, "--kills", 6, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 kills survived" in done.stdout
