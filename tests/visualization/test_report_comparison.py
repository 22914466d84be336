"""A report of several runs: over their seeds, and of protocols that do not compare."""

import json
import re

import pytest

from tests.visualization.page import Page
from vdfd_seg.evaluation import write_results
from vdfd_seg.visualization import write_report


@pytest.fixture(scope="module")
def runs(tmp_path_factory, fake_runs):
    root = tmp_path_factory.mktemp("runs")
    forget = {"finetune": 0.5, "mib": 0.2}
    return [fake_runs.make_run(root, method, odds) for method, odds in forget.items()]


def test_different_protocols_are_marked(runs, tmp_path, fake_runs):
    other = fake_runs.make_run(tmp_path, "plop", 0.1, images=1, fingerprint="beef")
    text = write_report([runs[0], other], tmp_path / "report.html").read_text(encoding="utf-8")
    words = Page(text).words
    assert "do not compare" in words
    assert "finetune [a]" in words
    assert "plop [b]" in words
    assert "fingerprint beef" in words
    assert '<td class="best">' not in text
    drawings = "".join(re.findall("<svg.*?</svg>", text, flags=re.DOTALL))
    assert "finetune [a]" in drawings and "plop [b]" in drawings


def test_nothing_is_best_between_runs_that_are_not_equally_far(runs, tmp_path, fake_runs):
    both = write_report(runs, tmp_path / "both.html").read_text(encoding="utf-8")
    assert '<td class="best">' in both
    other = fake_runs.make_run(tmp_path, "plop", 0.1, images=1)
    results = json.loads((other / "results.json").read_text())
    results["steps"].pop(), results["matrix"].pop()
    write_results(other / "results.json", results)
    text = write_report([*runs, other], tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td class="best">' not in text
    assert "plop [b]" in Page(text).words and "after step 1" in Page(text).words


def test_seeds_are_one_method_with_deviation(tmp_path, fake_runs):
    runs = []
    for seed, overall in ((0, 50.0), (1, 60.0), (2, 64.0)):
        work_dir = fake_runs.make_run(tmp_path / str(seed), "mib", 0.1 * seed, images=1)
        path = work_dir / "results.json"
        results = {**json.loads(path.read_text()), "seed": seed}
        results["summary"]["overall"] = overall
        write_results(path, results)
        runs.append(work_dir)
    runs.append(fake_runs.make_run(tmp_path, "vdfd", 0.0, images=1))
    page = Page(write_report(runs, tmp_path / "r.html").read_text(encoding="utf-8"))
    # Mean 58; squares of -8, 2, 6 sum to 104, by 2 is 52.
    assert "58.00 ± 7.21" in page.words
    assert page.words.count("58.00 ± 7.21") == 1
    assert "mib, vdfd on discs toy 3-2-2" in page.words
    assert "mib seed 2" in page.words
    shown = {alt for alt in page.images if "after step" in alt}
    assert {alt.split(", ")[1].split(" after")[0] for alt in shown} == {"mib seed 0", "vdfd"}
    assert "of each method the first of its seeds" in page.words
