"""The architecture picture, the overview and the API reference are about the code that is there."""

import ast
import re
from xml.etree import ElementTree

import pytest

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


def public_modules(folder):
    """Dotted names of a folder's modules with a public class or function."""
    for path in sorted(folder.glob("*.py")):
        names = [n.name for n in ast.parse(path.read_text()).body
                 if isinstance(n, (ast.ClassDef, ast.FunctionDef))]  # fmt: skip
        if path.name != "__init__.py" and any(not name.startswith("_") for name in names):
            yield ".".join(path.relative_to(ROOT).with_suffix("").parts)


def test_the_picture_the_overview_and_the_readme_have_every_package():
    assert sorted(heights()) == FOLDERS
    for page, row in (("docs/en/overview.md", "`vdfd_seg/{}/`"), ("README.md", "`vdfd_seg/{}`")):
        text = (ROOT / page).read_text()
        assert [name for name in FOLDERS if row.format(name) not in text] == [], page


def test_imports_run_downwards_in_the_picture():
    height = heights()
    upwards = [
        (name, other)
        for name in FOLDERS
        for other in imported(PACKAGE / name)
        if height[other] <= height[name]
    ]
    assert upwards == []


@pytest.mark.parametrize("package", ["vdfd_seg", "vdfd_seg.models.losses"]
                         + [f"vdfd_seg.{name}" for name in FOLDERS])  # fmt: skip
def test_the_reference_has_every_module(package):
    page = package if package == "vdfd_seg" else package.removeprefix("vdfd_seg.")
    text = (ROOT / f"docs/en/api/{page.replace('.', '_')}.md").read_text()
    described = re.findall(r"^\.\. automodule:: (\S+)$", text, re.M)
    modules = set(public_modules(ROOT.joinpath(*package.split("."))))
    assert described[0] == package
    # A module without a public name may stand there too: its text says what it is for.
    assert modules <= set(described), modules - set(described)
    assert len(described) == len(set(described))
