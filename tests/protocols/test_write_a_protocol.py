"""The guide for writing a protocol: its example is taken from the page and trained with."""

import json

import pytest

from tests.documented import shown
from vdfd_seg.cli import run_command
from vdfd_seg.protocols import PROTOCOLS, build_protocol

PAGE, MODULE, NAME = "write_a_protocol.md", "digit_shapes", "DigitShapes"
REGISTERED = PROTOCOLS


@pytest.fixture(scope="module", autouse=True)
def folder(stack, tmp_path_factory):
    """A folder with the page's files."""
    root = tmp_path_factory.mktemp("guide")
    with shown(PAGE, root, MODULE, REGISTERED, NAME) as folder:
        yield folder


@pytest.mark.parametrize("mixed", [False, True])
def test_every_digit_is_learned_once(mixed):
    protocol = build_protocol({"type": "DigitShapes", "mixed": mixed})
    assert sorted(protocol.label_names) == sorted(protocol.classes)
    assert protocol.task_sizes(2) == [4, 3, 3]


def test_the_page_s_config_trains(folder, digits, tmp_path, capsys):
    options = ["--cfg-options", f"data_root={digits}", "train_cfg.max_epochs=1"]
    config = str(folder / "shapes.py")
    assert run_command("train", [config, "--dry-run", *options]) == 0
    assert "straight" not in capsys.readouterr().out
    work_dir = tmp_path / "run"
    assert run_command("train", [config, "--work-dir", str(work_dir), *options]) == 0
    results = json.loads((work_dir / "results.json").read_text())
    assert results["protocol"]["name"] == "shapes-mixed"
    assert [len(step["classes_seen"]) for step in results["steps"]] == [4, 7, 10]
