"""The model zoo: what metafiles, READMEs and the zoo's page say agrees with each other, with the
configs and with the pages of measured results."""

import re
from functools import cache
from pathlib import Path

import pytest
import yaml
from mmengine.config import Config

import vdfd_seg.methods  # noqa: F401
from vdfd_seg.registry import METHODS

ROOT = Path(__file__).parent.parent
CONFIGS = sorted(p for p in (ROOT / "configs").rglob("*.py") if "_base_" not in p.parts)
FOLDERS = sorted({path.parent.name for path in CONFIGS})
ZOO = (ROOT / "docs/en/model_zoo.md").read_text()
RESULTS = [
    line.replace("*", "")
    for page in ("results.md", "results_cifar100.md")
    for line in (ROOT / "docs/en/notes" / page).read_text().splitlines()
]
PUBLISHED = "Published Results (not run here)"


@cache
def metafile(folder):
    return yaml.safe_load((ROOT / "configs" / folder / "metafile.yml").read_text())


def readme(folder):
    return (ROOT / "configs" / folder / "README.md").read_text()


def tables(text, heading):
    """Rows of the tables below the headings that begin so, each a dict by column."""
    rows = []
    for section in re.split(r"^#{2,3} ", text, flags=re.M)[1:]:
        lines = [line for line in section.splitlines() if line.startswith("|")]
        if not section.startswith(heading) or len(lines) < 3:
            continue
        cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
        rows += [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]
    return rows


def number(text):
    return float(text.replace("−", "-"))


def shown(result, key):
    """A measured figure as the pages write it."""
    text = f"{result['Metrics'][key]:.2f}"
    if "Standard Deviation" in result:
        text += f" ± {result['Standard Deviation'][key]:.2f}"
    return text.replace("-", "−")


def measured(folder):
    """Every measured result of a folder, with its config's name."""
    return [
        (model["Name"], result)
        for model in metafile(folder)["Models"]
        for result in model.get("Results", [])
    ]


def published(folder):
    return metafile(folder)["Collections"][0]["Metadata"].get(PUBLISHED, [])


def same_row(row, result):
    """Whether a row of measured figures says what a metafile's result says."""
    return (
        all(row.get(key) == shown(result, key) for key in result["Metrics"])
        and row["options"].strip("`") == result.get("Options", "–")
        and row["seeds"] == str(result["Seeds"])
        and row["carried"] == str(result.get("Carried", "–"))
    )


def test_every_method_has_a_page_and_a_metafile():
    own = {
        name
        for name, kind in METHODS.module_dict.items()
        if kind.__module__.startswith("vdfd_seg.methods.")
    }
    described = {metafile(folder)["Collections"][0]["Metadata"]["Method"] for folder in FOLDERS}
    assert described == own
    for folder in FOLDERS:
        text = readme(folder)
        for heading in ("Abstract", "Loss", "What it keeps and needs", "Configs"):
            assert f"\n## {heading}\n" in text, folder
        assert f"](../../configs/{folder}/README.md)" in ZOO


def test_the_index_imports_every_metafile():
    index = yaml.safe_load((ROOT / "model-index.yml").read_text())["Import"]
    found = sorted(
        path.relative_to(ROOT).as_posix() for path in ROOT.glob("configs/*/metafile.yml")
    )
    assert sorted(index) == found


@pytest.mark.parametrize("folder", FOLDERS)
class TestFolder:
    def test_metafile_has_exactly_the_folder_s_configs(self, folder):
        (collection,) = metafile(folder)["Collections"]
        models = metafile(folder)["Models"]
        here = {f"configs/{folder}/{p.name}" for p in CONFIGS if p.parent.name == folder}
        assert len(models) == len(here)
        assert {model["Config"] for model in models} == here
        for model in models:
            assert model["Name"] == Path(model["Config"]).stem
            assert model["In Collection"] == collection["Name"]
        assert collection["README"] == f"configs/{folder}/README.md"
        assert (ROOT / collection["Code"]["URL"]).is_file()

    def test_metafile_says_what_the_configs_say(self, folder):
        for model in metafile(folder)["Models"]:
            config = Config.fromfile(ROOT / model["Config"])
            meta, name = model["Metadata"], model["In Collection"]
            assert meta.get("Reported As", name) == config.get("method_name", name)
            processes = re.search(r"_(\d+)xb(\d+)-", model["Name"])
            batch = config.train_dataloader.batch_size
            if processes:
                assert int(processes[2]) == batch
                batch *= int(processes[1])
            assert meta["Batch Size"] == batch
            kind, first = next(iter(config.train_cfg.items()))
            cycle = meta["Epochs" if kind == "max_epochs" else "Iterations"]
            assert (cycle[0] if isinstance(cycle, list) else cycle) == first
            later = config.get("step_overrides", {}).get("1:", {}).get("train_cfg", {})
            if isinstance(cycle, list):
                assert later == {kind: cycle[1]}
            else:
                assert meta["Tasks"] == 1 or not later

    def test_readme_lists_every_config_and_its_links_exist(self, folder):
        text = readme(folder)
        rows = [row for row in tables(text, "") if set(row) >= {"config", "protocol", "tasks"}]
        by_name = {re.match(r"\[([^]]+)\]", row["config"])[1]: row for row in rows}
        models = metafile(folder)["Models"]
        assert len(rows) == len(models)
        for model in models:
            row, meta = by_name[model["Name"]], model["Metadata"]
            assert row["protocol"] == meta["Protocol"]
            assert (row["tasks"], row["batch"]) == (str(meta["Tasks"]), str(meta["Batch Size"]))
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", text):
            if not target.startswith("http"):
                assert (ROOT / "configs" / folder / target).exists(), target
        for config in re.findall(r"^(?:python|bash) \S+ (\S+)", text, re.M):
            assert (ROOT / "configs" / f"{config}.py").is_file()

    def test_measured_figures_are_the_same_everywhere(self, folder):
        rows = tables(readme(folder), "Measured")
        zoo = [
            row
            for row in tables(ZOO, "Measured")
            if row["method"].endswith(f"](../../configs/{folder}/README.md)")
        ]
        results = measured(folder)
        assert len(rows) == len(zoo) == len(results)
        for name, result in results:
            assert any(row["config"] == name and same_row(row, result) for row in rows), name
            assert any(same_row(row, result) for row in zoo), name
            figures = [shown(result, key) for key in result["Metrics"]]
            assert any(all(f in line for f in figures) for line in RESULTS), (name, figures)

    def test_published_figures_are_the_same_everywhere(self, folder):
        rows = tables(readme(folder), "Published, not run here")
        entries = published(folder)
        assert len(rows) == len(entries)
        zoo = [
            row
            for row in tables(ZOO, "Published: ")
            if row["method"].endswith(f"](../../configs/{folder}/README.md)")
        ]
        cells = sum(
            1 for row in zoo for key, cell in row.items() if key[0].isdigit() and cell != "–"
        )
        assert cells == len(entries)
        for row, entry in zip(rows, entries, strict=True):
            assert row["source"] == entry["Source"]
            assert (row["data"], row["protocol"]) == (entry["Dataset"], entry["Protocol"])
            assert row["measure"].split(" / ") == list(entry["Metrics"])
            assert [number(n) for n in row["published"].split(" / ")] == [
                *entry["Metrics"].values()
            ]
            split = entry["Protocol"].split(",")[0]
            assert any(
                line["source"] == entry["Source"] and line.get(split) == row["published"]
                for line in zoo
            ), entry

    def test_no_table_mixes_published_and_measured(self, folder):
        assert not any("published" in row for row in tables(readme(folder), "Measured"))
        assert not any("seeds" in row for row in tables(readme(folder), "Published"))
