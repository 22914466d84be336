"""What the documentation points at exists."""

import re
from pathlib import Path

import pytest

from vdfd_seg.paths import resolve_config

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_relative_links_exist(page):
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if not target.startswith(("http:", "https:")):
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.name)
def test_tools_and_configs_named_exist(page):
    text = page.read_text()
    for tool in re.findall(r"\btools/[\w/]+\.(?:py|sh)", text):
        assert (ROOT / tool).exists(), tool
    for config in re.findall(
        r"\b(?:configs/)?((?:finetune|vdfd|joint)/\w[\w.-]+_[\w.-]+-[\w.-]+)", text
    ):
        resolve_config(config)
