"""The distributions: what a wheel holds, and what it requires."""

import ast
import shutil
import sys
import tarfile
import zipfile
from email.parser import Parser

import pytest

import vdfd_seg
from tests.python_process import ROOT, run_python
from vdfd_seg.utils import installation

# Modules whose distribution has another name.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "mmcv": "onedl-mmcv",
    "mmengine": "onedl-mmengine",
    "mmseg": "onedl-mmsegmentation",
    "sklearn": "scikit-learn",
    "torch_geometric": "torch-geometric",
    "yaml": "pyyaml",
}

CONFIG = "configs/benchmarks/packaging_test.py"
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
                ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".mim")
            )
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, source)
    for name in (CONFIG, TEMPLATE, "configs/benchmarks/__pycache__/old.pyc"):
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


class TestDistributions:
    """One build of both distributions, from a copy, without network."""

    def info(self, wheel, name):
        (path,) = (item for item in wheel.namelist() if item.endswith(f".dist-info/{name}"))
        return wheel.read(path).decode()

    def test_wheel_holds_the_package_configs_tools_and_templates_alone(self, wheel):
        names = set(wheel.namelist())
        assert {f"vdfd_seg/.mim/{CONFIG}", TEMPLATE} <= names
        for folder in ("vdfd_seg", "configs", "tools"):
            below = "" if folder == "vdfd_seg" else "vdfd_seg/.mim/"
            for path in (ROOT / folder).rglob("*"):
                if path.is_file() and not {"__pycache__", ".mim"} & set(path.parts):
                    assert f"{below}{path.relative_to(ROOT).as_posix()}" in names

        for name in names:
            assert name.split("/")[0] in ("vdfd_seg", f"vdfd_seg-{vdfd_seg.__version__}.dist-info")
            assert not name.endswith(".pyc")
            assert "stale" not in name

    def test_sdist_builds_the_same(self, built):
        (path,) = (built / "dist").glob("*.tar.gz")
        with tarfile.open(path) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        assert {CONFIG, TEMPLATE, "setup.py", "pyproject.toml", "LICENSE"} <= names
        assert {"requirements/pinned.txt", "tools/train.py", "Makefile", ".ci/run"} <= names

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
            # What no test needs: curves for those who want them.
            if 'extra == "tensorboard"' in text:
                continue
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
                    assert module in installation._REQUIRED, where
