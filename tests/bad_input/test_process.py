"""The exit status and the message as a shell sees them."""

from tests.bad_input.damage import assert_says
from tests.python_process import run_python


def test_train_unknown_method(config_file, tmp_path):
    file = config_file({"method": {"type": "VDFDD"}})
    done = run_python("tools/train.py", file, "--work-dir", tmp_path / "work")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    # What MMSegmentation prints of its own optional parts.
    assert "OneDL" not in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("vdfd_seg: error:")]
    assert len(lines) == 1
    assert_says(done.stderr, "Did you mean 'VDFD'?")
    assert not (tmp_path / "work").exists()
