"""Steps and the command line as texts."""

import sys

import pytest

from vdfd_seg.engine.settings import command_line, parse_steps
from vdfd_seg.errors import InputError


class TestParseSteps:
    @pytest.mark.parametrize(
        "text, steps",
        [("0", [0]), ("2", [2]), ("-1", [2]), ("1:", [1, 2]), (":2", [0, 1]), ("0:2", [0, 1]),
         (":", [0, 1, 2]), ("1:9", [1, 2])],
    )  # fmt: skip
    def test_is_a_number_or_a_slice(self, text, steps):
        assert list(parse_steps(text, 3)) == steps

    def test_slice_beyond_the_last_step_is_empty(self):
        """As a step_overrides key ``1:`` of a protocol of one task is."""
        assert list(parse_steps("1:", 1)) == []

    @pytest.mark.parametrize("text", ["3", "-4", "", "a", "0:1:2", "1.5", "0-1"])
    def test_anything_else_is_refused(self, text):
        with pytest.raises(InputError, match="--steps"):
            parse_steps(text, 3)


class TestCommandLine:
    def test_tool(self, monkeypatch):
        monkeypatch.setattr(sys, "argv", ["tools/train.py", "a.py", "--cfg-options", "x=[1, 2]"])
        assert command_line() == "python tools/train.py a.py --cfg-options 'x=[1, 2]'"

    def test_console_script(self, monkeypatch):
        """vdfd_seg.cli.main puts the command's name into the program's while it runs."""
        monkeypatch.setattr(sys, "argv", ["vdfd_seg train", "train", "a.py"])
        assert command_line() == "vdfd_seg train a.py"
