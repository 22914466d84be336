"""What the commands share of their arguments."""

import sys

from vdfd_seg.cli.arguments import command_line


def test_the_command_of_a_tool(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["tools/train.py", "a.py", "--cfg-options", "x=[1, 2]"])
    assert command_line() == "python tools/train.py a.py --cfg-options 'x=[1, 2]'"


def test_the_command_of_the_console_script(monkeypatch):
    """vdfd_seg.cli.main puts the command's name into the program's while it runs."""
    monkeypatch.setattr(sys, "argv", ["vdfd_seg train", "train", "a.py"])
    assert command_line() == "vdfd_seg train a.py"
