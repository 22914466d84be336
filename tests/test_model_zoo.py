"""The model zoo: metafiles agree with the code, with the configs and with the tests that they name.
That the tables are those of the metafiles, ``tests/test_architecture.py`` checks."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

import vdfd_seg.methods  # noqa: F401
from vdfd_seg.engine import load_run
from vdfd_seg.engine.input.overrides import parse_options
from vdfd_seg.registry import METHODS
from vdfd_seg.utils.paths import method_names

ROOT = Path(__file__).parent.parent
FOLDERS = {p.parent.name: p.parent for p in sorted(ROOT.glob("configs/methods/*/*.yml"))}
META = {name: yaml.safe_load((path / "metafile.yml").read_text()) for name, path in FOLDERS.items()}
PARTS = {
    name: meta["Collections"][0]["Metadata"].get("Settings", [name]) for name, meta in META.items()
}
"""The names of ``--method`` that a page is about."""


def test_every_method_has_settings_a_page_and_a_metafile():
    own = {
        name
        for name, kind in METHODS.module_dict.items()
        if kind.__module__.startswith("vdfd_seg.methods.")
    }
    assert {meta["Collections"][0]["Metadata"]["Method"] for meta in META.values()} == own
    assert {part for name in FOLDERS for part in PARTS[name]} == set(method_names())
    for name, path in FOLDERS.items():
        text = (path / "README.md").read_text()
        for heading in ("Abstract", "Loss", "What it keeps and needs", "Settings"):
            assert f"\n## {heading}\n" in text, name


def test_reference_tests_exist():
    """Pytest refuses a name that it does not collect."""
    facts = [meta["Collections"][0]["Metadata"] for meta in META.values()]
    tests = {fact["Reference Test"] for fact in facts if "Reference Test" in fact}
    command = [sys.executable, "-m", "pytest", "-q", "--collect-only", "-p", "no:cacheprovider"]
    done = subprocess.run([*command, *sorted(tests)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("folder", FOLDERS)
def test_metafile_points_at_what_is_there(folder, study_methods):
    (collection,) = META[folder]["Collections"]
    assert collection["README"] == f"configs/methods/{folder}/README.md"
    assert (ROOT / collection["Code"]["URL"]).is_file()
    recipes = yaml.safe_load((ROOT / "configs/benchmarks/metafile.yml").read_text())
    known = {name for recipe in recipes for name in recipe["Benchmarks"]}
    assert {model["Benchmark"] for model in META[folder]["Models"]} <= known
    for model in META[folder]["Models"]:
        method, _, benchmark = model["Name"].partition("_")
        assert method in PARTS[folder] and model["Benchmark"] == benchmark
        assert model["In Collection"] == collection["Name"]
        for result in model["Results"]:
            options = parse_options(result.get("Options", "").split())
            assert load_run(model["Name"], options=options).name == model["Name"]
