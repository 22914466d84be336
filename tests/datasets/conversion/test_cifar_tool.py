import os

from tests import fake_cifar as fake
from tests.python_process import ROOT, run_python
from tools.dataset_converters import cifar100 as tool
from vdfd_seg.cli import run_guarded


def test_prints_the_counts(tmp_path, capsys):
    assert run_guarded(tool.main, [str(fake.write_folder(tmp_path)), str(tmp_path / "out")]) == 0
    printed = capsys.readouterr().out
    assert "train: 7 images of 3 classes" in printed
    assert "test: 4 images of 3 classes" in printed


def test_runs_as_a_script(tmp_path):
    arguments = ("tools/dataset_converters/cifar100.py", tmp_path / "absent", tmp_path / "out")
    result = run_python(*arguments, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert result.returncode == 2
    assert result.stderr.startswith("vdfd_seg: error: ") and result.stderr.count("\n") == 1
    assert "absent: there is no such file" in result.stderr
