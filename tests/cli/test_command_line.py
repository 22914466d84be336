"""The ``vdfd_seg`` command, and the tools that stand for it in a clone."""

import argparse
import ast
import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest

import vdfd_seg
from tests.python_process import ROOT, run_python
from vdfd_seg import cli
from vdfd_seg.errors import InputError


class TestCommandLine:
    def test_unknown_command(self, capsys):
        assert cli.main(["trian"]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err.startswith("vdfd_seg: error: unknown command 'trian'. Did you mean 'train'?")
        assert len(err.splitlines()) == 1

    def test_no_command(self, capsys):
        assert cli.main([]) == 2
        assert "usage: vdfd_seg" in capsys.readouterr().err

    @pytest.mark.parametrize("flag", ["-h", "--help", "help"])
    def test_usage_names_every_command(self, flag, capsys):
        assert cli.main([flag]) == 0
        out = capsys.readouterr().out
        for name, text in cli.COMMANDS.items():
            assert re.search(rf"^  {name} +{re.escape(text)}$", out, re.M)

    def test_version(self, capsys):
        assert cli.main(["--version"]) == 0
        assert capsys.readouterr().out == f"vdfd_seg {vdfd_seg.__version__}\n"

    @pytest.mark.parametrize("name", cli.COMMANDS)
    def test_every_command_has_its_module(self, name):
        spec = importlib.util.find_spec(f"vdfd_seg.cli.{name}")
        assert spec is not None, f"vdfd_seg/cli/{name}.py is missing"
        tree = ast.parse(Path(spec.origin).read_text())
        assert "main" in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}

    def test_arguments_and_status_pass_through(self, command):
        seen = []
        command(lambda argv: seen.append(argv) or 3)
        assert cli.main(["train", "config.py", "--seed", "1"]) == 3
        assert seen == [["config.py", "--seed", "1"]]

    def test_none_counts_as_success(self, command):
        command(lambda argv: None)
        assert cli.main(["train"]) == 0

    def test_usage_errors_of_a_command_name_it(self, command, capsys):
        def main(argv):
            argparse.ArgumentParser().parse_args(argv)

        command(main)
        program = sys.argv[0]
        with pytest.raises(SystemExit) as stop:
            cli.main(["train", "--unknown"])
        assert stop.value.code == 2
        assert "vdfd_seg train: error:" in capsys.readouterr().err
        assert sys.argv[0] == program

    def test_bad_input_is_one_message(self, command, capsys):
        def main(argv):
            raise InputError("data root '/nowhere' does not exist")

        command(main)
        assert cli.main(["train"]) == 2
        out, err = capsys.readouterr()
        assert not out
        assert err == "vdfd_seg: error: data root '/nowhere' does not exist\n"

    def test_interrupt(self, command, capsys):
        def main(argv):
            raise KeyboardInterrupt

        command(main)
        assert cli.main(["train"]) == 130
        assert "interrupted" in capsys.readouterr().err

    def test_defects_keep_their_traceback(self, command):
        def main(argv):
            raise ValueError("a defect")

        command(main)
        with pytest.raises(ValueError, match="a defect"):
            cli.main(["train"])

    @pytest.mark.parametrize(
        "error, says",
        [
            (
                ImportError(
                    "libGL.so.1: cannot open shared object file: No such file or directory"
                ),
                "apt-get install libgl1",
            ),
            (ModuleNotFoundError("No module named 'mmengine'", name="mmengine"), "pip install"),
        ],
    )
    def test_broken_installations_are_explained(self, command, capsys, error, says):
        def main(argv):
            raise error

        command(main)
        assert cli.main(["train"]) == 2
        assert says in capsys.readouterr().err

    def test_other_import_errors_are_defects(self, command):
        def main(argv):
            raise ModuleNotFoundError("No module named 'vdfd_seg.x'", name="vdfd_seg.x")

        command(main)
        with pytest.raises(ModuleNotFoundError):
            cli.main(["train"])

    def test_process(self, tmp_path):
        """``python -m vdfd_seg`` from anywhere; a usage text does not import torch."""
        code = (
            f"import sys; sys.path.insert(0, {str(ROOT)!r}); from vdfd_seg.cli import main; "
            "status = main(['--help']); assert 'torch' not in sys.modules; sys.exit(status)"
        )
        assert run_python("-c", code, cwd=tmp_path).returncode == 0
        wrong = run_python("-m", "vdfd_seg", "nonsense")
        assert wrong.returncode == 2
        assert "Traceback" not in wrong.stderr

    @pytest.mark.parametrize("name", ["train", "test", "infer", "export", "multi_run", "demo"])
    def test_tools_are_the_commands_without_installation(self, name, tmp_path):
        """Each tool takes the package of its own clone, whatever else is installed."""
        clone, other = tmp_path / "clone", tmp_path / "other"
        for root, status in ((clone, 5), (other, 6)):
            shutil.copytree(
                ROOT / "vdfd_seg", root / "vdfd_seg", ignore=shutil.ignore_patterns("__pycache__")
            )
            (root / f"vdfd_seg/cli/{name}.py").write_text(
                f"def main(argv):\n    print(argv)\n    return {status}\n"
            )
        tool = clone / "tools" / f"{name}.py"
        tool.parent.mkdir()
        shutil.copy(ROOT / "tools" / f"{name}.py", tool)
        done = run_python(tool, "--x", cwd=tmp_path, env={"PYTHONPATH": str(other)})
        assert done.returncode == 5, done.stderr
        # None: argparse then takes the arguments of the process.
        assert done.stdout == "None\n"
