"""What every test has: one thread, a cache of its own, and the fixtures of ``tests/fixtures``."""

import gc
import os
import platform
import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from vdfd_seg.cli import run_command

pytest_plugins = [
    f"tests.fixtures.{name}" for name in ("classification", "runs", "segmentation", "studies")
]


def pytest_terminal_summary(terminalreporter):
    """The processor, so that a log says what it proved."""
    import torch

    about = Path("/proc/cpuinfo")
    found = about.is_file() and re.search(r"^model name\s*: (.*)$", about.read_text(), re.M)
    most = os.environ.get("ONEDNN_MAX_CPU_ISA", "all of it")
    terminalreporter.write_line(
        f"processor: {found[1] if found else platform.machine()}, "
        f"PyTorch {torch.__version__} with {torch.backends.cpu.get_cpu_capability()}, "
        f"oneDNN with {most}"
    )


@pytest.fixture
def command(monkeypatch):
    """Put a command of the test's own in the place of ``vdfd_seg train``."""

    def install(main):
        module = ModuleType("vdfd_seg.cli.train")
        module.main = main
        monkeypatch.setitem(sys.modules, "vdfd_seg.cli.train", module)

    return install


@pytest.fixture(scope="session")
def registered_modules():
    """mmsegmentation's modules and default scope, as every tool sets them up."""
    from vdfd_seg.engine.run.environment import set_up

    set_up()


@pytest.fixture(scope="session", autouse=True)
def one_thread():
    """On tensors this small threads only wait for each other, and runs that are compared bit for
    bit must add in the same order."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def image_limit(monkeypatch):
    """What a test makes of Pillow's limit ends with it."""
    from PIL import Image

    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", Image.MAX_IMAGE_PIXELS)


@pytest.fixture(scope="session", autouse=True)
def index_cache(tmp_path_factory):
    """The class index is cached in a folder of this test session, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VDFD_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def stack():
    """Everything is imported, and its objects are put aside.

    MMEngine collects garbage whenever a data set is built: half a second with all of the
    modules' objects.
    """
    import vdfd_seg.engine
    import vdfd_seg.visualization  # noqa: F401

    gc.collect()
    gc.freeze()


@pytest.fixture
def refused(capfd, stack):
    """Run a command that must be refused; returns its message in one line."""

    def run(command, *arguments):
        assert run_command(command, list(map(str, arguments))) == 2
        error = capfd.readouterr().err
        assert "\nvdfd_seg: error: " in f"\n{error}"
        assert error.count("vdfd_seg: error:") == 1
        assert "Traceback" not in error
        return " ".join(error.split())

    return run
