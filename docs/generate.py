"""Writes what the documentation says about the code: ``python docs/generate.py``.

The pages of the API reference, one a package; ``model-index.yml``; the tutorial as a notebook; and
in other pages the tables between ``<!-- generated: KIND ARGUMENTS -->`` and the next
``<!-- end of generated -->``, from the benchmarks, the methods and their metafiles. Each kind is
the function of its name below.
"""

import ast
import json
import os
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "vdfd_seg"
CONFIGS = ROOT / "configs"
BLOCK = re.compile(r"(<!-- generated: (\w+)(.*) -->\n)(?s:.*?)(<!-- end of generated -->)")
PUBLISHED = "Published Results (not run here)"


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


@cache
def collections() -> list[dict]:
    """The metafile of every method, the oldest paper first, with its folder as ``folder``."""
    import yaml

    def age(meta):
        paper = meta["Collections"][0].get("Paper")
        years = re.findall(r"\d{4}", paper["Venue"]) if paper else ["0"]
        return (years or ["9999"])[-1], meta["Collections"][0]["Name"]

    found = []
    for path in CONFIGS.glob("methods/*/metafile.yml"):
        found.append({**yaml.safe_load(path.read_text()), "folder": path.parent})
    return sorted(found, key=age)


def table(heads: list[str], rows: list[list[str]]) -> str:
    """A Markdown table."""
    first, *others = (f"| {' | '.join(line)} |\n" for line in (heads, *rows))
    return "".join([first, "|---" * len(heads), "|\n", *others])


def link(meta: dict, page: Path, text: str = "") -> str:
    """A link from a page to the page of a method."""
    target = os.path.relpath(meta["folder"] / "README.md", page.parent)
    return f"[{text or meta['Collections'][0]['Name']}]({target})"


def methods(page: Path) -> str:
    """One row a method: what it is for, what it keeps and holds, and its paper."""
    import vdfd_seg.methods  # noqa: F401
    from vdfd_seg.registry import METHODS

    rows = []
    for meta in collections():
        about = meta["Collections"][0]
        facts, paper = about["Metadata"], about.get("Paper", {"Venue": "–"})
        venue = f"[{paper['Venue']}]({paper['URL']})" if "URL" in paper else paper["Venue"]
        problems = METHODS.get(facts["Method"]).problems
        purpose = "both" if len(problems) > 1 else problems[0]
        kept = [facts["Carried Between Steps"], facts["Held While Training"]]
        names = facts.get("Settings", [meta["folder"].name])
        rows.append([link(meta, page), ", ".join(f"`{n}`" for n in names), purpose, *kept, venue])
    heads = ["method", "`--method`", "for", "carried between steps", "held while a step trains"]
    return table([*heads, "paper"], rows)


def grouped(page: Path) -> str:
    """All methods in a few rows, by what a step may see of the past."""
    import vdfd_seg.methods  # noqa: F401
    from vdfd_seg.registry import METHODS

    groups: dict[str, list[str]] = {
        "nothing old: neither images nor a network": [],
        "the old network, or a copy of its weights": [],
        "old images": [],
    }
    nothing, network, images = groups.values()
    for meta in collections():
        needs = METHODS.get(meta["Collections"][0]["Metadata"]["Method"]).requires
        copies = {"old_network", "old_weights"} & needs
        group = images if "old_images" in needs else network if copies else nothing
        group.append(link(meta, page))
    return table(["a step sees", "methods"], [[k, ", ".join(v)] for k, v in groups.items()])


def compared(page: Path, metric: str, *names: str) -> str:
    """One metric of everything run on some benchmarks: our method, then by the last of them."""
    rows: dict[str, dict[str, str]] = {}
    order: dict[str, float] = {}
    for meta in collections():
        name = meta["Collections"][0]["Name"]
        for model in meta["Models"]:
            # The first entry: settings that a user gets without options.
            result = next(iter(model.get("Results", [])), None)
            if model["Benchmark"] not in names or result is None:
                continue
            value, spread = result["Metrics"][metric], result.get("Standard Deviation", {})
            text = number(value) + (f" ± {number(spread[metric])}" if spread else "")
            rows.setdefault(link(meta, page), {})[model["Benchmark"]] = text
            if model["Benchmark"] == names[1]:
                order[link(meta, page)] = 101.0 if name == "VDFDPlus" else value
    ranked = sorted(rows, key=lambda row: order.get(row, -1.0), reverse=True)
    heads = [name.rpartition("_")[2] for name in names]
    return table(
        ["method", *heads], [[row, *(rows[row].get(n, "–") for n in names)] for row in ranked]
    )


def settings(page: Path, *names: str) -> str:
    """The settings of methods, and the files of pairs with more than these."""
    from mmengine.config import Config

    rows = []
    for name in names:
        for path in sorted(page.parent.parent.glob(f"{name}/*.py")):
            config = Config.fromfile(path).to_dict()
            method = config["method"]
            options = ", ".join(f"{k}={v!r}" for k, v in method.items() if k != "type")
            rows.append([
                f"`{name}`",
                "all others" if path.stem == "default" else f"`{path.stem}`",
                f"`{options}`" if options else "the defaults",
                config.get("method_name", method["type"]),
            ])  # fmt: skip
    rows.sort(key=lambda row: (row[0], row[1] == "all others"))
    text = table(["`--method`", "benchmarks", "settings", "reported as"], rows)
    pairs = sorted(p.stem for name in names for p in CONFIGS.glob(f"results/{name}_*.py"))
    if pairs:
        links = ", ".join(f"[{stem}](../../results/{stem}.py)" for stem in pairs)
        text += f"\nPairs with a file of their own, which `--method` takes: {links}.\n"
    return text


def benchmarks(page: Path) -> str:
    """One row a benchmark."""
    from mmengine.config import Config

    from vdfd_seg.protocols import build_protocol

    heads = {"ASPPHead": "DeepLabV3", "DepthwiseSeparableASPPHead": "DeepLabV3+",
             "SegformerHead": "SegFormer", "UPerHead": "UPerNet"}  # fmt: skip
    rows = []
    for path in sorted(CONFIGS.glob("benchmarks/*.py")):
        config = Config.fromfile(path)
        protocol, backbone = build_protocol(config.protocol), config.model.backbone
        rule = f"{protocol.scenario}-incremental"
        if "setting" in config.protocol:
            rule += f", {config.protocol.setting}"
        kind = backbone.type.rpartition(".")[2].removesuffix("V1c")
        network = f"{kind}-{backbone.depth}" if "depth" in backbone else kind
        if "decode_head" in config.model:
            network = f"{heads[config.model.decode_head.type]}, {network}"
        later = config.get("step_overrides", {}).get("1:", {}).get("train_cfg", {})
        (unit, count), *_ = config.train_cfg.items()
        lengths = [count, *later.values()]
        unit = {"max_iters": "iterations", "max_epochs": "epochs"}[unit]
        rows.append([
            f"[{path.stem}]({path.name})",
            f"{protocol.dataset} {protocol.name}",
            rule,
            str(len(protocol.tasks)),
            network,
            str(config.train_dataloader.batch_size),
            f"{', then '.join(map(str, lengths))} {unit}",
        ])  # fmt: skip
    return table(["benchmark", "protocol", "scenario", "tasks", "network", "batch", "a task"], rows)


def number(value: float, digits: int = 2) -> str:
    """A number as the pages write it."""
    return f"{value:.{digits}f}".replace("-", "−")


def published(page: Path, *words: str) -> str:
    """What papers report: one row a method and source, one column a split."""
    dataset, _, kind = " ".join(words).partition(", ")
    entries = [
        (meta, entry, entry["Protocol"].partition(", ")[0])
        for meta in collections()
        for entry in meta["Collections"][0]["Metadata"].get(PUBLISHED, [])
        if entry["Dataset"] == dataset and entry["Protocol"].endswith(f", {kind}")
    ]
    # The split with the fewest tasks first.
    splits = sorted({split for *_, split in entries}, key=lambda s: [-int(n) for n in
                    re.findall(r"\d+", s)])  # fmt: skip
    if "split" in splits[0]:
        splits.reverse()
    rows: dict[tuple, dict] = {}
    for meta, entry, split in entries:
        values = entry["Metrics"].values()
        digits = max(len(str(value).partition(".")[2]) for value in values)
        text = " / ".join(number(value, digits) for value in values)
        rows.setdefault((link(meta, page), entry["Source"]), {})[split] = text
    return table(
        ["method", *splits, "source"],
        [
            [name, *(row.get(s, "–") for s in splits), source]
            for (name, source), row in rows.items()
        ],
    )


def measured(page: Path, *names: str) -> str:
    """What was run here on some benchmarks."""
    found = [
        (meta, model["Benchmark"], result)
        for meta in collections()
        for model in meta["Models"]
        if model["Benchmark"] in names
        for result in model.get("Results", [])
    ]
    metrics = list(dict.fromkeys(key for *_, result in found for key in result["Metrics"]))
    costs = {"Carried": "carried", "Held": "held", "Seconds a Later Step": "s a later step"}
    costs = {k: v for k, v in costs.items() if any(k in result for *_, result in found)}
    rows = []
    for meta, benchmark, result in found:
        spread = result.get("Standard Deviation", {})
        values = [
            number(result["Metrics"][key]) + (f" ± {number(spread[key])}" if spread else "")
            for key in metrics
        ]
        options = f"`{result['Options']}`" if "Options" in result else "–"
        where = [benchmark] if len(names) > 1 else []
        rows.append([
            link(meta, page, result.get("Reported As", "")), *where, options, str(result["Seeds"]),
            *values, *(str(result.get(key, "–")) for key in costs),
        ])  # fmt: skip
    where = ["benchmark"] if len(names) > 1 else []
    return table(["method", *where, "options", "seeds", *metrics, *costs.values()], rows)


KINDS = {
    each.__name__: each
    for each in (methods, grouped, compared, settings, benchmarks, published, measured)
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
    from vdfd_seg.utils.environment import quiet_imports

    with quiet_imports():
        written = pages()
    for old in (ROOT / "docs/en/api").glob("*.md"):
        if old not in written:
            old.unlink()
    for path, text in written.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
