"""The architecture picture, the overview and what is generated are about the code that is there."""

import ast
import importlib.util
from xml.etree import ElementTree

from tests.documented import ROOT

PACKAGE = ROOT / "vdfd_seg"
PICTURE = ROOT / "docs/en/images/architecture.svg"
FOLDERS = sorted(p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists())
SVG = "{http://www.w3.org/2000/svg}"


def heights():
    """Each package's distance from the top of the picture."""
    groups = ElementTree.parse(PICTURE).iter(f"{SVG}g")
    return {
        group.get("id").removeprefix("package-"): float(group.find(f"{SVG}rect").get("y"))
        for group in groups
        if group.get("id", "").startswith("package-")
    }


def imported(folder):
    """The packages that one imports, at any place in its modules."""
    found = set()
    for module in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            names = []
            if isinstance(node, ast.ImportFrom):
                names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
            elif isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            for name in names:
                parts = (name or "").split(".")
                if parts[0] == "vdfd_seg" and len(parts) > 1 and parts[1] in FOLDERS:
                    found.add(parts[1])
    return found - {folder.name}


def test_the_picture_and_the_overview_have_every_package():
    assert sorted(heights()) == FOLDERS
    text = (ROOT / "docs/en/overview.md").read_text()
    assert [name for name in FOLDERS if f"`vdfd_seg/{name}/`" not in text] == []


def test_imports_run_downwards_in_the_picture():
    height = heights()
    upwards = [
        (name, other)
        for name in FOLDERS
        for other in imported(PACKAGE / name)
        if height[other] <= height[name]
    ]
    assert upwards == []


def test_what_is_generated_is_up_to_date(stack, monkeypatch):
    """``python docs/generate.py`` writes it."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs/generate.py")
    generate = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generate)
    pages = generate.pages()
    api = ROOT / "docs/en/api"
    assert set(api.glob("*.md")) == {path for path in pages if path.parent == api}
    assert [path.name for path, text in pages.items() if path.read_text() != text] == []
