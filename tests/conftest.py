"""The tiny data set, its config and finished runs, shared by the tests of whole commands."""

import gc
import json
from pathlib import Path
from types import SimpleNamespace

import pytest
from tiny import changed, tiny_config, write_config, write_scenes

from vdfd_seg.cli import run_command


@pytest.fixture(scope="session", autouse=True)
def index_cache(tmp_path_factory):
    """The class index is cached in a folder of this test session, not in the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VDFD_SEG_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def scenes(tmp_path_factory) -> Path:
    """Root of the tiny data set; not to be written to."""
    return write_scenes(tmp_path_factory.mktemp("data") / "rectangles")


@pytest.fixture(scope="session")
def config_file(scenes, tmp_path_factory):
    """Write a config: the tiny one with changes at dotted keys."""

    def make(changes: dict | None = None, base: dict | None = None) -> Path:
        config = changed(base or tiny_config(scenes), changes or {})
        return write_config(tmp_path_factory.mktemp("config") / "tiny.py", config)

    return make


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


@pytest.fixture(scope="session")
def train(stack, config_file, tmp_path_factory):
    """Run ``vdfd_seg train`` in this process, which must succeed.

    Called with arguments of the command; ``config`` are changes at dotted keys, ``work_dir``
    is made where none is given. Returns the work dir, the config file and the results.
    """

    def run(*arguments, config=None, file=None, work_dir=None) -> SimpleNamespace:
        file = file or config_file(config)
        work_dir = work_dir or tmp_path_factory.mktemp("run") / "work"
        status = run_command("train", [str(file), "--work-dir", str(work_dir), *map(str, arguments)])
        assert status == 0
        results = json.loads((work_dir / "results.json").read_text())
        return SimpleNamespace(path=work_dir, file=file, results=results)

    return run


@pytest.fixture(scope="session")
def vdfd_run(train, tmp_path_factory):
    """A finished run of three tasks with VDFD, with the predictions of every test image."""
    predictions = tmp_path_factory.mktemp("predictions")
    run = train(config={"prediction_dir": str(predictions)})
    run.predictions = predictions
    return run


@pytest.fixture(scope="session")
def finetune_run(train):
    """A finished run of three tasks with fine-tuning."""
    return train(config={"method": {"type": "FineTune"}})
