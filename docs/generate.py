"""Writes what the documentation says about the code: ``python docs/generate.py``.

The pages of the API reference, one a package; ``model-index.yml``; the tutorial as a notebook; and
in other pages the tables between ``<!-- generated: KIND ARGUMENTS -->`` and the next
``<!-- end of generated -->``, from the benchmarks, the methods and their metafiles. Each kind is
the function of its name below.
"""

import ast
import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from method_tables import (
    ROOT,
    benchmarks,
    collections,
    grouped,
    methods,
    own_defaults,
    published,
    settings,
)
from result_tables import compared, controls, measured, reproduction, summary, verified

PACKAGE = ROOT / "vdfd_seg"
CONFIGS = ROOT / "configs"
BLOCK = re.compile(r"(<!-- generated: (\w+)(.*) -->\n)(?s:.*?)(<!-- end of generated -->)")


def modules(folder: Path) -> Iterator[str]:
    """Dotted names of a package's modules and packages that have a public class or function."""
    for path in sorted(folder.rglob("*.py")):
        inner = path.name == "__init__.py"
        if inner and path.parent == folder:
            continue
        body = ast.parse(path.read_text()).body
        defined = [n.name for n in body if isinstance(n, ast.ClassDef | ast.FunctionDef)]
        if inner or any(not name.startswith("_") for name in defined):
            name = path.parent if inner else path.with_suffix("")
            yield ".".join(name.relative_to(ROOT).parts)


def page(package: str, described: list[str]) -> str:
    """The Markdown of one package's page."""
    init = ROOT.joinpath(*package.split("."), "__init__.py")
    summary = (ast.get_docstring(ast.parse(init.read_text())) or "").partition("\n")[0]
    source = init.relative_to(ROOT).as_posix()
    parts = [f"# {package}\n\n{summary} Source: [{source}](../../../{source}).\n"]
    for name in (package, *described):
        heading = "" if name == package else f"## {name}\n\n"
        parts.append(f"{heading}```{{eval-rst}}\n.. automodule:: {name}\n```\n")
    return "\n".join(parts)


def reference() -> dict[Path, str]:
    """Every page of the API reference with what it has to say."""
    api = ROOT / "docs/en/api"
    folders = sorted(path.parent for path in PACKAGE.glob("*/__init__.py"))
    top = [name for name in modules(PACKAGE) if name.count(".") == 1]
    top = [name for name in top if (PACKAGE / f"{name.partition('.')[2]}.py").exists()]
    links = ", ".join(f"[{folder.name}]({folder.name}.md)" for folder in folders)
    about = (
        f"Made from the docstrings when the site is built (`make docs`). On GitHub these pages "
        f"only name the modules: {links}.\n\n```{{eval-rst}}"
    )
    found = {api / "vdfd_seg.md": page("vdfd_seg", top).replace("```{eval-rst}", about, 1)}
    for folder in folders:
        name = f"vdfd_seg.{folder.name}"
        found[api / f"{folder.name}.md"] = page(name, list(modules(folder)))
    return found


KINDS = {
    each.__name__: each
    for each in (
        methods,
        own_defaults,
        grouped,
        settings,
        benchmarks,
        published,
        verified,
        compared,
        measured,
        summary,
        controls,
        reproduction,
    )
}


def filled(path: Path) -> str:
    """A page with its generated parts as they are now."""

    def fill(found: re.Match) -> str:
        return found[1] + KINDS[found[2]](path, *found[3].split()) + found[4]

    return BLOCK.sub(fill, path.read_text())


def notebook(text: str) -> str:
    """A page as a Jupyter notebook: blocks of Python become cells of code, the rest cells of text.

    A block of plain text directly behind the code is what the cell prints.
    """
    cells = []
    # What stands before a block, its code, and its output if it has one.
    block = r"```python\n(.*?)\n```\n(?:\n```text\n(.*?)```\n)?"
    parts = re.split(rf"^{block}", text, flags=re.M | re.S)
    for place, part in enumerate(parts):
        lines = (part or "").strip("\n").splitlines(keepends=True)
        if place % 3 == 0 and lines:
            cells.append({"cell_type": "markdown", "metadata": {}, "source": lines})
        elif place % 3 == 1:
            code = {"execution_count": None, "metadata": {}, "outputs": [], "source": lines}
            cells.append({"cell_type": "code", **code})
        elif lines:
            output = {"name": "stdout", "output_type": "stream", "text": lines}
            cells[-1]["outputs"].append(output)
    python = {"display_name": "Python 3", "language": "python", "name": "python3"}
    content = {"cells": cells, "metadata": {"kernelspec": python}, "nbformat": 4}
    return json.dumps({**content, "nbformat_minor": 4}, indent=1, ensure_ascii=False) + "\n"


def pages() -> dict[Path, str]:
    """Every file that is generated, whole or in part, with its text."""
    texts = reference()
    imports = sorted(meta["folder"].relative_to(ROOT).as_posix() for meta in collections())
    lines = "".join(f"- {folder}/metafile.yml\n" for folder in imports)
    texts[ROOT / "model-index.yml"] = f"Import:\n{lines}"
    tutorial = ROOT / "docs/en/tutorial.md"
    texts[tutorial.with_suffix(".ipynb")] = notebook(tutorial.read_text())
    found = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *CONFIGS.rglob("*.md")]
    texts.update({path: filled(path) for path in found if BLOCK.search(path.read_text())})
    return texts


def main() -> None:
    """Write them all, and remove pages of packages that are no more."""
    sys.path.insert(0, str(ROOT))
    from vdfd_seg.utils.installation import quiet_imports

    with quiet_imports():
        written = pages()
    for old in (ROOT / "docs/en/api").glob("*.md"):
        if old not in written:
            old.unlink()
    for path, text in written.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
