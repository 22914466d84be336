"""The ``vdfd_seg`` command, and the tools that stand for it in a clone."""

import argparse
import re
import shutil
import sys

import pytest

import vdfd_seg
from tests.python_process import ROOT, run_python
from vdfd_seg import cli
from vdfd_seg.errors import InputError, Stopped
from vdfd_seg.utils import signals


@pytest.fixture
def fails(command):
    def install(error):
        def main(argv):
            raise error

        command(main)

    return install


def test_unknown_command(capsys):
    assert cli.main(["trian"]) == 2
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("vdfd_seg: error: unknown command 'trian'. Did you mean 'train'?")
    assert len(err.splitlines()) == 1


def test_usage_names_every_command(capsys):
    texts = []
    for flag in ("-h", "--help", "help", "--version"):
        assert cli.main([flag]) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == texts[2]
    for name, text in cli.COMMANDS.items():
        assert re.search(rf"^  {name} +{re.escape(text)}$", texts[0], re.M)
    assert texts[3] == f"vdfd_seg {vdfd_seg.__version__}\n"


def test_arguments_and_status_pass_through(command, capsys):
    seen = []
    command(lambda argv: seen.append(argv) or 3)
    assert cli.main(["train", "config.py", "--seed", "1"]) == 3
    assert seen == [["config.py", "--seed", "1"]]
    program = sys.argv[0]
    command(lambda argv: argparse.ArgumentParser().parse_args(argv))
    with pytest.raises(SystemExit, match="2"):
        cli.main(["train", "--unknown"])
    assert "vdfd_seg train: error:" in capsys.readouterr().err
    assert sys.argv[0] == program


@pytest.mark.parametrize(
    ("error", "status", "says"),
    [
        (InputError("no data root '/nowhere'"), 2, "error: no data root '/nowhere'\n"),
        (OSError(28, "No space left", "y"), 74, "error: cannot write 'y' (No space left)"),
        (RuntimeError("Connection closed by peer"), 75, "error: another process of this run"),
        (Stopped(15), 143, "stopped by SIGTERM; no step started. --res"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (ImportError("libGL.so.1: cannot open shared object file: No such file or directory"),
         2, "apt-get install libgl1"),
        (ModuleNotFoundError("No module named 'mmengine'", name="mmengine"), 2, "pip install"),
    ],
)  # fmt: skip
def test_what_a_user_can_mend_is_one_message(fails, monkeypatch, capsys, error, status, says):
    monkeypatch.setattr(signals, "get_world_size", lambda: 2)
    fails(error)
    assert cli.main(["train"]) == status
    out, err = capsys.readouterr()
    assert not out
    assert err.startswith("vdfd_seg: ") and says in err


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a defect"),
        RuntimeError("another defect"),
        OSError("a third"),
        ModuleNotFoundError("No module named 'vdfd_seg.x'", name="vdfd_seg.x"),
    ],
)
def test_defects_keep_their_traceback(fails, error):
    fails(error)
    with pytest.raises(type(error), match=str(error)):
        cli.main(["train"])


def test_process(tmp_path):
    """``python -m vdfd_seg`` from anywhere."""
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from vdfd_seg.cli import main; "
        "sys.exit(main(['--help']))"
    )
    assert run_python("-c", code, cwd=tmp_path).returncode == 0
    wrong = run_python("-m", "vdfd_seg", "nonsense")
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_usage_texts_wait_for_no_import_of_torch():
    code = """
import contextlib, glob, runpy, sys
from vdfd_seg.cli import COMMANDS, main
paths = [path for path in glob.glob("tools/[!s]*/*.py") if "__main__" in open(path).read()]
tools = [runpy.run_path(path)["main"] for path in ["tools/dist_run.py", *paths]]
for call in [*tools, *(lambda argv, name=name: main([name, *argv]) for name in COMMANDS)]:
    with contextlib.suppress(SystemExit):
        call(["--help"])
sys.exit("torch" in sys.modules)
"""
    done = run_python("-c", code, cwd=ROOT)
    assert done.returncode == 0 and done.stdout.count("usage: ") > len(cli.COMMANDS)


def test_what_trains_nothing_waits_for_no_compiler():
    """The compiler is half a second's import, PyG more than one; the first use imports them."""
    code = """
import sys
import vdfd_seg.engine, vdfd_seg.inference, vdfd_seg.methods
sys.exit(" ".join({"torch._dynamo", "torch_geometric"} & set(sys.modules)) or None)
"""
    done = run_python("-c", code)
    assert done.returncode == 0, done.stderr


def test_a_process_ends_without_a_last_look_for_cycles():
    """It would go through all that was imported, when the command has said all it has to say."""
    code = """
import atexit, gc
atexit.register(lambda: print("frozen" if gc.get_freeze_count() else "not frozen"))
from vdfd_seg.cli import main
main(["train", "--help"])
"""
    done = run_python("-c", code)
    assert done.stdout.endswith("frozen\n") and "not frozen" not in done.stdout


@pytest.mark.parametrize("first", ["vdfd_seg.losses", "vdfd_seg.datasets"])
def test_importing_says_nothing(first):
    """MMSegmentation has notices of optional parts that are absent, and of a loss's option."""
    code = f"""
import {first}, vdfd_seg.engine, vdfd_seg.inference
from vdfd_seg.engine.networks import build_network
from vdfd_seg.engine.run.environment import set_up
set_up()
run = vdfd_seg.engine.load_run("ade20k_100-50", "mib", {{"model.backbone.depth": 18}})
build_network(run.config.model, 3)
"""
    done = run_python("-c", code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_tools_are_the_commands_without_installation(tmp_path):
    """Each tool takes the package of its own clone, whatever else is installed."""
    names = ("train", "test", "infer", "export", "multi_run", "demo")
    clone, other = tmp_path / "clone", tmp_path / "other"
    for root, status in ((clone, 5), (other, 6)):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / "vdfd_seg", root / "vdfd_seg", ignore=ignored)
        for name in names:
            text = f"def main(argv):\n    print(argv)\n    return {status}\n"
            (root / f"vdfd_seg/cli/{name}.py").write_text(text)
    shutil.copytree(ROOT / "tools", clone / "tools", ignore=ignored)
    for name in names:
        tool = clone / f"tools/{name}.py"
        done = run_python(tool, "--x", cwd=tmp_path, env={"PYTHONPATH": str(other)})
        assert done.returncode == 5, done.stderr
        # None: argparse then takes the arguments of the process.
        assert done.stdout == "None\n"
