import sys

import pytest

from tests.documented import parsed
from vdfd_seg.cli.arguments import command_line

TEST = "vdfd_seg/cli/test.py"


def test_the_command_of_a_tool(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tools/train.py", "a.py", "--cfg-options", "x=[1, 2]"])
    assert command_line() == "python tools/train.py a.py --cfg-options 'x=[1, 2]'"


def test_the_command_of_the_console_script(monkeypatch):
    """vdfd_seg.cli.main puts the command's name into the program's while it runs."""
    monkeypatch.setattr(sys, "argv", ["vdfd_seg train", "train", "a.py"])
    assert command_line() == "vdfd_seg train a.py"


def test_a_config_behind_the_method_is_told_its_place(capsys):
    wrong = ["--method", "vdfd", "weight=2", "voc_11-5", "RUN"]
    right = ["voc_11-5", "RUN", "--method", "vdfd", "weight=2"]
    assert parsed(TEST, right).method == ["vdfd", "weight=2"]
    with pytest.raises(SystemExit, match="2"):
        parsed(TEST, wrong)
    assert "'voc_11-5' is not of the form K=V. A config comes first" in capsys.readouterr().err
