"""Writes the pages of the API reference, one a package: ``python docs/generate.py``."""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vdfd_seg"


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


def pages() -> dict[Path, str]:
    """Every page of the reference with what it has to say."""
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


def main() -> None:
    """Write them all, and remove pages of packages that are no more."""
    written = pages()
    for old in (ROOT / "docs/en/api").glob("*.md"):
        if old not in written:
            old.unlink()
    for path, text in written.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
