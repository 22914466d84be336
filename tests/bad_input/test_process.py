"""The exit status and the message as a shell sees them."""

from tests.bad_input.damage import assert_says, other_protocol
from tests.python_process import run_python


def assert_refused(tool, *arguments, words):
    done = run_python(f"tools/{tool}.py", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr + done.stdout
    # What MMSegmentation prints of its own optional parts.
    assert "OneDL" not in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("vdfd_seg: error:")]
    assert len(lines) == 1
    assert_says(done.stderr, *words)


def test_train_unknown_method(config_file, tmp_path):
    file = config_file({"method": {"type": "VDFDD"}})
    assert_refused("train", file, "--work-dir", tmp_path / "work", words=["Did you mean 'VDFD'?"])
    assert not (tmp_path / "work").exists()


def test_test_protocol_mismatch(copied):
    run, file = copied
    other_protocol(run / "step_02" / "checkpoint.pth")
    assert_refused("test", file, run, words=["0123456789abcdef"])
