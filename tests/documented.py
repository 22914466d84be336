"""Commands that README, docs and the methods' pages show, as a shell would start them."""

import importlib
import importlib.util
import re
import shutil
import subprocess
import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

from vdfd_seg.cli import COMMANDS

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "configs").rglob("README.md")),
    ROOT / "tools/studies/README.md",
]
GUIDES = ROOT / "docs/en/advanced_guides"
PROGRAMS = ("python", "pip", "make", "vdfd_seg", "srun", "sbatch", "apt-get", "dnf", "tensorboard")
"""What is written down instead of run."""

REAL = ("bash", "dirname")
"""What the scripts of ``tools`` need. Any other program is not found: a page shall not do to the
machine that tests it whatever it says."""

_RECORDER = """#!/bin/sh
printf '%s\\037' "${0##*/}" "$@" >> "$RECORD"
printf '\\036' >> "$RECORD"
"""
_OPTIONAL = re.compile(r" \[[^\]\n]*\]")


def name_of(page: Path) -> str:
    """A page's path in the repository."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path, *kinds: str) -> list[str]:
    """The code blocks of a page that are marked as one of ``kinds``."""
    return re.findall(rf"^```(?:{'|'.join(kinds)})\n(.*?)^```$", page.read_text(), re.M | re.S)


def commands(page: Path, folder: Path) -> list[list[str]]:
    """Every command of a page with its arguments, after a shell has expanded them.

    The page's blocks are run as one script of bash, with :data:`PROGRAMS` replaced by one that
    writes down how it was called. What stands in brackets is optional and left out; the letter S
    after ``--seed`` stands for a number.

    Args:
        page: The page.
        folder: An empty folder to work in.
    """
    script = "".join(blocks(page, "sh", "bash"))
    if not script:
        return []
    script = re.sub(r"--seed S\b", "--seed 0", _OPTIONAL.sub("", script))
    for program in PROGRAMS:
        (folder / program).write_text(_RECORDER)
        (folder / program).chmod(0o755)
    for program in REAL:
        (folder / program).symlink_to(shutil.which(program))
    record = folder / "record"
    record.touch()
    environment = {"PATH": str(folder), "RECORD": str(record)}
    done = subprocess.run(
        [folder / "bash", "-eu", "-c", script],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{name_of(page)}: {done.stderr}"
    calls = record.read_text().split("\036")[:-1]
    return [call.split("\037")[:-1] for call in calls]


def sentences(page: Path) -> list[str]:
    """The sentences of a page, without code blocks, tables, headings and formulas."""
    text = re.sub(
        r"^```.*?^```$|\$\$.*?\$\$|<!--.*?-->|<[^>]+>", "", page.read_text(), flags=re.M | re.S
    )
    text = re.sub(r"^(?:\||#|!\[| {4}).*$", "", text, flags=re.M)
    text = re.sub(r"`[^`]*`|\$[^$]*\$", "code", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", text))
    found = []
    for paragraph in re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text):
        found += re.split(r"(?<=[.!?:])\s+(?=[A-Z(“\"\d])", " ".join(paragraph.split()))
    return [sentence for sentence in found if len(sentence.split()) > 2]


def tool_of(command: Sequence[str]) -> tuple[str, list[str]] | None:
    """The tool that a command starts, directly, as ``vdfd_seg NAME`` or by a launcher.

    Returns:
        Its path below the repository and its arguments; None for a command that starts none.
    """
    program, *arguments = command
    if program == "python" and arguments[:2] == ["-m", "vdfd_seg"]:
        program, arguments = "vdfd_seg", arguments[2:]
    if program == "vdfd_seg":
        return f"vdfd_seg/cli/{arguments[0]}.py", arguments[1:]
    for place, argument in enumerate(arguments):
        if argument.startswith("tools/") and argument.endswith(".py"):
            return argument, arguments[place + 1 :]
    return None


@cache
def main_of(tool: str):
    """A tool's ``main``."""
    stem = Path(tool).stem
    if stem in COMMANDS:
        return importlib.import_module(f"vdfd_seg.cli.{stem}").main
    spec = importlib.util.spec_from_file_location(f"documented_{stem}", ROOT / tool)
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        # Some tools import their neighbours.
        patch.syspath_prepend(str((ROOT / tool).parent))
        spec.loader.exec_module(module)
    return module.main


class _ParsedError(Exception):
    """Carries what the arguments were parsed to out of a tool's ``main``."""


def parsed(tool: str, arguments: Sequence[str]) -> Namespace:
    """What a tool's own parser makes of arguments; it ends there.

    Raises:
        SystemExit: For arguments that the tool refuses, after argparse's message.
    """
    parse_args = ArgumentParser.parse_args

    def stop(parser, args=None, namespace=None):
        raise _ParsedError(parse_args(parser, args, namespace))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ArgumentParser, "parse_args", stop)
        try:
            main_of(tool)(list(arguments))
        except _ParsedError as found:
            return found.args[0]
    raise AssertionError(f"{tool} parsed no arguments")


def files_of(page: str) -> dict[str, str]:
    """The files that a guide shows, by name."""
    text = (GUIDES / page).read_text()
    return dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", text, re.DOTALL))


@contextmanager
def shown(page: str, folder: Path, module: str, registered: dict, name: str) -> Iterator[Path]:
    """The files of a guide where a clone's root would be, with its module imported.

    What the module registered is taken away at the end: other tests go through all there is.
    """
    (folder / "configs").symlink_to(ROOT / "configs")
    for file, text in files_of(page).items():
        (folder / file).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.import_module(module)
        yield folder
    del registered[name], sys.modules[module]
