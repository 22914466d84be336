"""Tables of measured results, for ``docs/generate.py``.

The results stand in the methods' metafiles, how they were measured in that of the benchmarks.
"""

from functools import cache
from pathlib import Path

import yaml
from method_tables import CONFIGS, ROOT, collections, link, number, table

COSTS = {"Carried": "carried", "Held": "held", "Seconds a Later Step": "s a later step"}
# One measure of forgetting and one of the old classes in a summary: the first of each line.
SUMMARY = ("old", "new", "hIoU", "all", "ACC", "new task", "forgetting", "BWT")
INSTEAD = {"ACC": "old", "BWT": "forgetting"}
CONTROLS = ("finetune", "vdfd")


@cache
def recipe(benchmark: str) -> dict:
    """How the results of a benchmark were measured."""
    (found,) = (
        entry
        for entry in yaml.safe_load((CONFIGS / "benchmarks/metafile.yml").read_text())
        if benchmark in entry["Benchmarks"]
    )
    return found


def results(*names: str) -> list[tuple[dict, str, dict]]:
    """Method, benchmark and result of everything run on some benchmarks."""
    return [
        (meta, model["Benchmark"], result)
        for meta in collections()
        for model in meta["Models"]
        if model["Benchmark"] in names
        for result in model.get("Results", [])
    ]


def value(result: dict, metric: str) -> str:
    """A metric with its standard deviation, as the pages write it."""
    if metric not in result["Metrics"]:
        return "–"
    spread = result.get("Standard Deviation", {})
    text = number(result["Metrics"][metric])
    return text + (f" ± {number(spread[metric])}" if metric in spread else "")


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
            rows.setdefault(link(meta, page), {})[model["Benchmark"]] = value(result, metric)
            if model["Benchmark"] == names[1]:
                order[link(meta, page)] = 101.0 if name == "VDFDPlus" else result["Metrics"][metric]
    ranked = sorted(rows, key=lambda row: order.get(row, -1.0), reverse=True)
    heads = [name.rpartition("_")[2] for name in names]
    return table(
        ["method", *heads], [[row, *(rows[row].get(n, "–") for n in names)] for row in ranked]
    )


def measured(page: Path, *names: str) -> str:
    """Every metric of everything run on some benchmarks."""
    found = results(*names)
    metrics = list(dict.fromkeys(key for *_, result in found for key in result["Metrics"]))
    return rows_of(page, found, metrics, COSTS, len(names) > 1)


def controls(page: Path, name: str) -> str:
    """VDFD, its controls and fine-tuning."""
    return ranked(page, [row for row in of_protocol(name) if row[0]["folder"].name in CONTROLS])


def summary(page: Path, name: str, *protocol: str) -> str:
    """Every method on a benchmark, or with options of its protocol, as of more tasks."""
    return ranked(page, of_protocol(name, *protocol), *protocol)


def of_protocol(name: str, *protocol: str) -> list[tuple[dict, str, dict]]:
    """What was run on a benchmark with these options of its protocol, and no others."""
    return [
        row
        for row in results(name)
        if {o for o in row[2].get("Options", "").split() if "protocol." in o} == set(protocol)
    ]


def ranked(page: Path, found: list, *protocol: str) -> str:
    """A table a processor, in each our method first, then the others by what they end at."""
    given = {key for *_, result in found for key in result["Metrics"]}
    metrics = [key for key in SUMMARY if key in given and INSTEAD.get(key) not in given]
    last = "all" if "all" in given else "ACC"

    def rank(row):
        meta, name, result = row
        options = result.get("Options", "").split()
        ours = meta["folder"].name == "vdfd-plus" and set(protocol) == {
            option for option in options if not option.startswith("method.weight")
        }
        return not ours, -result["Metrics"][last]

    costs = {key: text for key, text in COSTS.items() if key != "Held"}
    tables: dict[str, list] = {}
    for row in sorted(found, key=rank):
        tables.setdefault(processor(*row[1:]), []).append(row)
    if len(tables) == 1:
        return rows_of(page, *tables.values(), metrics, costs)
    # Rows of two processors do not compare.
    texts = {name: rows_of(page, tables[name], metrics, costs) for name in sorted(tables)}
    return "\n".join(f"{name}:\n\n{text}" for name, text in texts.items())


def processor(name: str, result: dict) -> str:
    """Where a result was measured, if not with the others of its benchmark."""
    return result.get("Processor", recipe(name)["Processor"])


def rows_of(page: Path, found: list, metrics: list[str], costs: dict, where: bool = False) -> str:
    """A table of results with the columns that any of them has."""
    costs = {key: text for key, text in costs.items() if any(key in r for *_, r in found)}
    several = len({processor(name, result) for _, name, result in found}) > 1
    rows = [
        [
            link(meta, page, result.get("Reported As", "")),
            *([name] if where else []),
            *([processor(name, result)] if several else []),
            str(result["Seeds"]),
            *(value(result, key) for key in metrics),
            *(str(result.get(key, "–")) for key in costs),
        ]
        for meta, name, result in found
    ]
    heads = ["method", *["benchmark"] * where, *["processor"] * several, "seeds"]
    return table([*heads, *metrics, *costs.values()], rows)


def reproduction(page: Path, *names: str) -> str:
    """How the results of some benchmarks were measured, folded."""
    about = recipe(names[0])
    lines = [
        f"- {key.capitalize()}: {about[key]}" for key in ("Processor", "Threads", "First Step")
    ]
    options = dict.fromkeys(
        f"  - {result.get('Reported As', meta['Collections'][0]['Name'])}: `{result['Options']}`"
        for meta, _, result in results(*names)
        if "Options" in result
    )
    if options:
        lines += ["- Options of rows that differ from the config, for `--cfg-options`:", *options]
    text = "\n".join(lines)
    return (
        f"<details>\n<summary>Processor, options and commands</summary>\n\n{text}\n\n"
        f"```sh\n{about['Command']}```\n\n</details>\n"
    )


def verified(page: Path) -> str:
    """What of each method was checked: its formula, a small run, and a run of published size."""
    rows = []
    for meta in collections():
        about = meta["Collections"][0]["Metadata"]
        test = about.get("Reference Test")
        climb = "../" * len(page.parent.relative_to(ROOT).parts)
        checked = f"[yes]({climb}{test.partition('::')[0]})" if test else "no"
        runs: dict[str, int] = {}
        for model in meta["Models"]:
            seeds = [result["Seeds"] for result in model.get("Results", [])]
            runs[model["Benchmark"]] = max([*seeds, runs.get(model["Benchmark"], 0)])
        small = ", ".join(f"{key} ({seeds})" for key, seeds in runs.items()) or "no"
        rows.append([link(meta, page), checked, small, "no"])
    heads = ["method", "formula equals an independent reference", "small benchmarks (seeds)"]
    return table([*heads, "published size"], rows)
