"""The tree is as ruff and mypy want it, with the settings of pyproject.toml."""

import importlib.util

import pytest

from tests.python_process import run_python


@pytest.mark.parametrize(
    "command",
    [
        ("ruff", "check", "--no-cache", "."),
        ("ruff", "format", "--no-cache", "--check", "."),
        # What it checks is named in pyproject.toml.
        ("mypy",),
    ],
    ids=" ".join,
)
def test_nothing_is_found(command):
    if importlib.util.find_spec(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    done = run_python("-m", *command)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout}{done.stderr}"
