"""The package as users get it: commands, configs, metadata, what a wheel holds."""

import argparse
import ast
import importlib.util
import re
import shutil
import subprocess
import sys
import tarfile
import types
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

import vdfd_seg
from vdfd_seg import cli, environment, paths
from vdfd_seg.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


def run_python(*args, cwd=ROOT, **kwargs):
    return subprocess.run(
        [sys.executable, *map(str, args)], cwd=cwd, capture_output=True, text=True, **kwargs
    )


@pytest.fixture
def command(monkeypatch):
    """Put a command of the test's own in the place of ``vdfd_seg train``."""

    def install(main):
        module = types.ModuleType("vdfd_seg.cli.train")
        module.main = main
        monkeypatch.setitem(sys.modules, "vdfd_seg.cli.train", module)

    return install


class TestResolveConfig:
    @pytest.fixture(autouse=True)
    def configs(self, tmp_path, monkeypatch):
        folder = tmp_path / "packaged"
        for name in (
            "vdfd/vdfd_deeplabv3_voc-11-5.py",
            "finetune/finetune_deeplabv3_voc-11-5.py",
            "_base_/default_runtime.py",
        ):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("")
        (tmp_path / "outside.py").write_text("")
        (tmp_path / "some" / "where").mkdir(parents=True)
        monkeypatch.chdir(tmp_path / "some" / "where")
        monkeypatch.setattr(paths, "configs_dir", lambda: folder)
        return folder

    @pytest.mark.parametrize("prefix", ["", "configs/", "./configs/"])
    @pytest.mark.parametrize("suffix", ["", ".py"])
    def test_name_below_the_packaged_configs(self, configs, prefix, suffix):
        # The name has a dot-free stem, but '11-5.py' must not be cut at other characters.
        found = paths.resolve_config(f"{prefix}vdfd/vdfd_deeplabv3_voc-11-5{suffix}")
        assert found == configs / "vdfd/vdfd_deeplabv3_voc-11-5.py"

    def test_existing_path_wins(self, configs):
        mine = Path("configs/vdfd/vdfd_deeplabv3_voc-11-5.py")
        mine.parent.mkdir(parents=True)
        mine.write_text("mine = 1")
        assert paths.resolve_config(mine).read_text() == "mine = 1"

    @pytest.mark.parametrize(
        "wrong, nearest",
        [
            ("vdfd/vdfd_deeplabv3_voc-11-6.py", "vdfd/vdfd_deeplabv3_voc-11-5.py"),
            ("vdfd/vdfd_deplabv3_voc-11-5", "vdfd/vdfd_deeplabv3_voc-11-5.py"),
            ("finetune_deeplabv3_voc-11-5.py", "finetune/finetune_deeplabv3_voc-11-5.py"),
        ],
    )
    def test_nearest_names(self, wrong, nearest):
        with pytest.raises(InputError, match="does not exist") as error:
            paths.resolve_config(wrong)
        assert f"Did you mean {nearest}" in str(error.value)

    def test_nothing_near(self):
        with pytest.raises(InputError) as error:
            paths.resolve_config("zzzz")
        assert "Did you mean" not in str(error.value)

    @pytest.mark.parametrize("name", ["../outside.py", "configs/../outside", "", "configs", "/"])
    def test_only_files_below_the_folder(self, name):
        with pytest.raises(InputError):
            paths.resolve_config(name)

    def test_folder_is_called_a_folder(self, tmp_path):
        with pytest.raises(InputError, match="is a folder"):
            paths.resolve_config(tmp_path)


def test_configs_dir_of_a_clone_and_of_an_installed_copy(tmp_path, monkeypatch):
    package = tmp_path / "vdfd_seg"
    package.mkdir()
    monkeypatch.setattr(paths, "_PACKAGE", package)
    (tmp_path / "configs").mkdir()
    with pytest.raises(InputError):  # site-packages/configs belongs to somebody else
        paths.configs_dir()
    (tmp_path / "setup.py").write_text("")
    assert paths.configs_dir() == tmp_path / "configs"
    (package / ".mim" / "configs").mkdir(parents=True)
    assert paths.configs_dir() == package / ".mim" / "configs"


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


class TestForksAndOriginals:
    @pytest.fixture
    def installed(self, monkeypatch):
        names = set()
        monkeypatch.setattr(environment, "_installed", names.__contains__)
        return names

    @pytest.mark.parametrize(
        "names",
        [
            {"onedl-mmengine", "onedl-mmcv", "onedl-mmsegmentation"},
            {"mmengine", "mmcv", "mmsegmentation"},
            set(),
        ],
    )
    def test_one_family_is_fine(self, installed, names):
        installed |= names
        environment.check_distributions()

    @pytest.mark.parametrize("original", ["mmcv", "mmcv-lite"])
    def test_both_are_refused(self, installed, original, command, capsys):
        installed |= {"onedl-mmengine", "onedl-mmcv", original}
        command(lambda argv: pytest.fail("ran in a mixed environment"))
        assert cli.main(["train"]) == 2
        err = capsys.readouterr().err
        assert f"{original} beside onedl-mmcv." in err
        assert f"pip uninstall -y onedl-mmcv {original} && pip install onedl-mmcv\n" in err

    def test_this_environment(self):
        environment.check_distributions()


def make_lines(*args):
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not installed")
    done = subprocess.run([make, *args], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_make_help_has_every_target_and_variable():
    text = (ROOT / "Makefile").read_text()
    targets = re.search(r"^\.PHONY: (.*)$", text, re.M)[1].split()
    assert {"demo", "test", "help", "venv", "clean"} <= set(targets)
    shown = make_lines("help")
    for target in targets:
        assert re.search(rf"^  {target} +\w", shown, re.M), target
    for variable in re.findall(r"^(\w+) \?=", text, re.M):
        assert re.search(rf"^  {variable} +\w", shown, re.M), variable
    assert make_lines() == shown  # what bare `make` does


def test_system_check_refuses_an_old_or_missing_python(tmp_path):
    check = ["sh", str(ROOT / "tools/check_system.sh")]
    old = tmp_path / "python old"
    old.write_text("#!/bin/sh\necho 'old 3.9'\n")
    old.chmod(0o755)
    for python, says in ((old, "is Python 3.9"), (tmp_path / "none", "no '")):
        done = subprocess.run([*check, str(python)], capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("vdfd_seg: error: ")
        assert says in done.stderr


def test_system_check_names_what_is_missing(tmp_path):
    probe = tmp_path / "python3"
    probe.write_text(
        "#!/bin/sh\necho 'venv 3.11'\necho 'lib libGL.so.1'\n"
        "echo 'lib libglib-2.0.so.0'\necho 'lib libgthread-2.0.so.0'\n"
    )
    probe.chmod(0o755)
    done = subprocess.run(
        ["sh", str(ROOT / "tools/check_system.sh"), str(probe)], capture_output=True, text=True
    )
    assert done.returncode == 2
    for name in ("ensurepip", "libGL.so.1", "libglib-2.0.so.0", "libgthread-2.0.so.0"):
        assert name in done.stderr
    if "apt-get" in done.stderr:
        assert done.stderr.endswith("apt-get install python3.11-venv libgl1 libglib2.0-0\n")


# Modules whose distribution has another name.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "mmcv": "onedl-mmcv",
    "mmengine": "onedl-mmengine",
    "mmseg": "onedl-mmsegmentation",
    "sklearn": "scikit-learn",
    "torch_geometric": "torch-geometric",
}

CONFIG = "configs/vdfd/packaging_test.py"
TEMPLATE = "vdfd_seg/visualization/templates/packaging_test.html"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    setuptools = pytest.importorskip("setuptools")
    if int(setuptools.__version__.split(".")[0]) < 77:
        pytest.skip("setuptools is older than pyproject.toml asks for")
    source = tmp_path_factory.mktemp("source")
    for name in ("vdfd_seg", "configs", "tools", "requirements", "docs", ".ci"):
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name,
                source / name,
                ignore=shutil.ignore_patterns("__pycache__", ".mim"),
            )
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    for name in (CONFIG, TEMPLATE, "configs/vdfd/__pycache__/old.pyc"):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text("")
    # Left by an earlier build of a config that is gone.
    stale = source / "build/lib/vdfd_seg/.mim/configs/stale.py"
    stale.parent.mkdir(parents=True)
    stale.write_text("")
    code = "from setuptools import build_meta as b; b.build_wheel('dist'); b.build_sdist('dist')"
    done = run_python("-c", code, cwd=source)
    assert done.returncode == 0, done.stderr
    return source


@pytest.fixture(scope="module")
def wheel(built):
    (path,) = (built / "dist").glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        yield archive


@pytest.fixture(scope="module")
def sdist(built):
    (path,) = (built / "dist").glob("*.tar.gz")
    with tarfile.open(path) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


class TestDistributions:
    """One build of both distributions, from a copy, without network."""

    def info(self, wheel, name):
        (path,) = (item for item in wheel.namelist() if item.endswith(f".dist-info/{name}"))
        return wheel.read(path).decode()

    def test_wheel_holds_configs_tools_and_templates(self, wheel):
        names = set(wheel.namelist())
        assert f"vdfd_seg/.mim/{CONFIG}" in names
        assert TEMPLATE in names
        for folder in ("configs", "tools"):
            for path in (ROOT / folder).rglob("*"):
                if path.is_file() and "__pycache__" not in path.parts:
                    assert f"vdfd_seg/.mim/{path.relative_to(ROOT).as_posix()}" in names

    def test_wheel_holds_every_file_of_the_package(self, wheel):
        names = set(wheel.namelist())
        for path in (ROOT / "vdfd_seg").rglob("*"):
            if path.is_file() and not {"__pycache__", ".mim"} & set(path.parts):
                assert path.relative_to(ROOT).as_posix() in names

    def test_wheel_holds_nothing_else(self, wheel):
        for name in wheel.namelist():
            assert name.split("/")[0] in ("vdfd_seg", f"vdfd_seg-{vdfd_seg.__version__}.dist-info")
            assert not name.endswith(".pyc")
            assert "stale" not in name

    def test_sdist_builds_the_same(self, sdist):
        assert {CONFIG, TEMPLATE, "setup.py", "pyproject.toml", "LICENSE"} <= sdist
        assert {"requirements/pinned.txt", "tools/train.py", "Makefile", ".ci/run"} <= sdist

    def test_metadata(self, wheel):
        meta = Parser().parsestr(self.info(wheel, "METADATA"))
        assert meta["Name"] == "vdfd_seg"
        assert meta["Version"] == vdfd_seg.__version__
        assert meta["License-Expression"] == "Apache-2.0"
        assert meta["Requires-Python"] == ">=3.10"
        assert meta["Description-Content-Type"] == "text/markdown"
        assert "vdfd_seg = vdfd_seg.cli:main" in self.info(wheel, "entry_points.txt")
        assert "Apache License" in self.info(wheel, "licenses/LICENSE")

    def test_ranges_hold_the_pins(self, wheel):
        requirements = pytest.importorskip("packaging.requirements")
        meta = Parser().parsestr(self.info(wheel, "METADATA"))
        pins = {}
        files = [ROOT / "requirements" / name for name in ("pinned.txt", "coverage.txt")]
        for line in "\n".join(file.read_text() for file in files).splitlines():
            if line and not line.startswith("#"):
                pin = requirements.Requirement(line)
                (version,) = pin.specifier
                assert version.operator == "=="
                pins.setdefault(pin.name, []).append(version.version)
        for text in meta.get_all("Requires-Dist"):
            wanted = requirements.Requirement(text)
            assert pins.get(wanted.name), f"{wanted.name} is not pinned"
            for version in pins[wanted.name]:
                assert wanted.specifier.contains(version), f"{wanted} against {version}"

    def test_every_import_is_required(self, wheel):
        """What the package imports, anywhere in it, an installation brings."""
        requirements = pytest.importorskip("packaging.requirements")
        meta = Parser().parsestr(self.info(wheel, "METADATA"))
        required = {
            requirements.Requirement(text).name
            for text in meta.get_all("Requires-Dist")
            if "extra ==" not in text
        }
        for path in (ROOT / "vdfd_seg").rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Import):
                    modules = [alias.name for alias in node.names]
                elif isinstance(node, ast.ImportFrom) and node.level == 0:
                    modules = [node.module]
                else:
                    continue
                for module in {name.partition(".")[0] for name in modules}:
                    if module == "vdfd_seg" or module in sys.stdlib_module_names:
                        continue
                    where = f"{path.relative_to(ROOT)}:{node.lineno} imports {module}"
                    assert DISTRIBUTIONS.get(module, module) in required, where
                    assert module in environment._REQUIRED, where
