import sys

import pytest

from tests.documented import parsed
from vdfd_seg.cli.arguments import command_line

TEST = "vdfd_seg/cli/test.py"


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["tools/train.py", "a.py", "--cfg-options", "x=[1, 2]"],
         "python tools/train.py a.py --cfg-options 'x=[1, 2]'"),
        # vdfd_seg.cli.main puts the command's name into the program's while it runs.
        (["vdfd_seg train", "train", "a.py"], "vdfd_seg train a.py"),
    ],
)  # fmt: skip
def test_the_command_as_it_was_typed(monkeypatch, argv, command):
    monkeypatch.setattr(sys, "argv", argv)
    assert command_line() == command


def test_a_config_behind_the_method_is_told_its_place(capsys):
    wrong = ["--method", "vdfd", "weight=2", "voc_11-5", "RUN"]
    right = ["voc_11-5", "RUN", "--method", "vdfd", "weight=2"]
    assert parsed(TEST, right).method == ["vdfd", "weight=2"]
    with pytest.raises(SystemExit, match="2"):
        parsed(TEST, wrong)
    assert "'voc_11-5' is not of the form K=V. A config comes first" in capsys.readouterr().err
