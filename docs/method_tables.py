"""Tables of methods, benchmarks and published results, for ``docs/generate.py``."""

import os
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CONFIGS = ROOT / "configs"
PUBLISHED = "Published Results (not run here)"


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


def own_defaults(page: Path) -> str:
    """The methods that handle new classes in another way than fine-tuning does."""
    import vdfd_seg.methods
    from vdfd_seg.registry import METHODS

    usual, rows = vdfd_seg.methods.Method, []
    for meta in collections():
        kind = METHODS.get(meta["Collections"][0]["Metadata"]["Method"])
        own = [kind.unbiased_loss, kind.new_rows]
        if own != [usual.unbiased_loss, usual.new_rows]:
            rows.append([link(meta, page), *(f"`{value!r}`" for value in own)])
    return table(["method", "`unbiased_loss`", "`new_rows`"], rows)


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
