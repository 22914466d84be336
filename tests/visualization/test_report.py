import base64
import csv
import json
import re

import pytest
from PIL import Image

from tests.visualization.conftest import CLASSES, make_run
from tests.visualization.page import Page
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import RunFiles, load_results, load_runs, read_runs
from vdfd_seg.visualization import write_report
from vdfd_seg.visualization.samples import collect_examples


@pytest.fixture(scope="module")
def comparison(runs, tmp_path_factory):
    out = write_report(runs, tmp_path_factory.mktemp("report") / "report.html")
    return out.read_text(encoding="utf-8")


def test_needs_nothing_from_outside(comparison):
    page = Page(comparison)
    assert page.links
    assert all(link.startswith(("data:image/", "data:text/csv;", "#")) for link in page.links)
    tags = {name for name, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed"}
    assert "@import" not in comparison
    assert not re.search(r"url\((?!#)", comparison)
    assert 20_000 < len(comparison) < 500_000
    # What is left of "http" are names of XML vocabularies, which nothing fetches.
    assert set(re.findall(r'https?://[^"\s]+', comparison)) <= {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_names_runs_classes_protocol_and_command(comparison):
    words = Page(comparison).words
    for shown in (
        *("finetune", "mib", "vdfd"),
        *CLASSES,
        *("toy 3-2-2", "class-incremental", "overlap", "f1a9" * 4, "2.13.0"),
        "python tools/train.py toy --method mib --seed 0",
        "chair+dog & wolf: classes: chair, dog & wolf",
    ):
        assert shown in words, shown
    assert "do not compare" not in words
    # What runs share is shown once.
    assert words.count("2.13.0") == 1
    assert words.count("as of finetune") == 2


def test_shows_the_numbers(runs, comparison):
    words = Page(comparison).words
    for run in read_runs(runs):
        summary = run.results["summary"]
        for key in ("overall", "old", "new", "acc", "bwt", "forgetting", "avg_incremental"):
            assert f"{summary[key]:.2f}" in words, (run.name, key)
    assert "1.3 MiB" in words
    assert "7 min 00 s" in words
    # Memory held: of three runs the most of any step, and the last step's own.
    assert words.count("5.7 MiB") == 3 * 2
    assert "1.9 GiB RAM" in words
    best = max(run.results["summary"]["overall"] for run in read_runs(runs))
    assert f'<td class="best">{best:.2f}</td>' in comparison


def test_every_image_after_every_step_of_every_run(comparison):
    images = Page(comparison).images
    expected = {f"im{i}, {kind}" for i in range(3) for kind in ("image", "labels")}
    expected |= {
        f"im{i}, {run} after step {step}"
        for i in range(3)
        for run in ("finetune", "mib", "vdfd")
        for step in range(3)
    }
    assert set(images) == expected
    assert len(images) == len(expected)


def test_one_run(runs, tmp_path):
    out = write_report(runs[-1:], tmp_path / "deep" / "report.html", title="A <title> & more")
    text = out.read_text(encoding="utf-8")
    assert "A <title> & more" in Page(text).words
    assert 'class="best"' not in text.split("</style>")[1]
    assert "finetune" not in text
    assert [item.name for item in out.parent.iterdir()] == ["report.html"]


def test_without_pictures_optional_keys_and_names_per_class(tmp_path):
    work_dir = make_run(tmp_path, "ewc", 0.1, images=0)
    path = work_dir / "results.json"
    results = load_results(path)
    optional = ("command", "environment", "classes", "palette", "old", "new", "all", "confusions",
                "held_bytes", "peak_memory_bytes", "peak_memory_of")  # fmt: skip
    for part in (results, results["protocol"], results["summary"], *results["steps"]):
        for key in optional:
            part.pop(key, None)
    for step in results["steps"]:
        step |= {"per_class": {}, "classes_seen": ["a", "b"], "seconds": None}
        step["seconds_per_iter"] = step["memory_bytes"] = None
    results["protocol"]["tasks"] = [["aachen", "bremen"], "darmstadt", {"cities": ["erfurt"]}]
    path.write_text(json.dumps(results))
    words = Page(write_report([work_dir], tmp_path / "r.html").read_text(encoding="utf-8")).words
    assert "No pictures were saved" in words
    assert "no values per class" in words
    assert "aachen, bremen darmstadt cities: erfurt" in words
    assert "do not say by which command" in words


def test_missing_predictions_are_said_to_be_missing_and_names_escaped(tmp_path):
    work_dir = make_run(tmp_path, "ewc", 0.1, images=2)
    (work_dir / "step_01" / "predictions" / "im0.png").unlink()
    (work_dir / "samples" / "im1.jpg").unlink()
    (work_dir / "samples" / "im1.png").unlink()
    samples = collect_examples(load_runs([work_dir]))
    assert [sample.name for sample in samples] == ["im0"]
    assert [picture is None for picture in samples[0].predictions[0][1]] == [False, True, False]
    run = RunFiles(work_dir, load_results(work_dir), "<script>alert(1)</script>")
    text = write_report([run], tmp_path / "r.html").read_text(encoding="utf-8")
    assert text.count("not saved") == 1
    assert "<script" not in text
    Page(text)


@pytest.mark.parametrize("content", [b"no picture", None])
def test_a_bad_picture_is_named(tmp_path, content):
    work_dir = make_run(tmp_path, "ewc", 0.1, images=1)
    path = work_dir / "step_00" / "predictions" / "im0.png"
    if content is None:
        Image.new("RGB", (4, 4)).save(path)
    else:
        path.write_bytes(content)
    with pytest.raises(InputError, match=re.escape(str(path))):
        collect_examples(load_runs([work_dir]))


def test_is_made_of_parts_that_say_what_they_are(comparison):
    page = Page(comparison)
    assert page.all("html") == [{"lang": "en"}]
    assert len(page.all("h1")) == len(page.all("main")) == 1
    sections = {attrs["id"] for attrs in page.all("section")}
    assert sections == {
        "summary", "steps", "matrix", "classes", "confusions", "images", "cost", "protocol",
    }  # fmt: skip
    linked = [attrs["href"] for attrs in page.all("a") if "download" not in attrs]
    assert linked == [f"#{attrs['id']}" for attrs in page.all("section")]
    scopes = {attrs["scope"] for attrs in page.all("th")}
    assert scopes == {"col", "row"}
    # A table that is scrolled sideways can be reached without a mouse, and has a name.
    scrolled = [attrs for attrs in page.all("div") if attrs.get("class") == "scroll"]
    assert len(scrolled) == len(page.all("table"))
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in scrolled)
    assert all(page.images) and all(page.figures)


def test_every_plot_has_its_data_beside_it(runs, comparison):
    links = [attrs for attrs in Page(comparison).all("a") if "download" in attrs]
    assert len(links) == len(Page(comparison).figures)
    by_name = {attrs["download"]: attrs["href"].split(",")[1] for attrs in links}
    text = base64.b64decode(by_name["heatmap_vdfd.csv"]).decode()
    header, *rows = csv.reader(text.splitlines())
    assert header == ["after step", "0 base", "1 chair+dog & wolf", "2 horse+sofa"]
    matrix = load_results(runs[-1])["matrix"]
    assert [[float(v) if v else None for v in row[1:]] for row in rows] == matrix


def test_different_protocols_are_marked(runs, tmp_path):
    other = make_run(tmp_path, "plop", 0.1, images=1, fingerprint="beef")
    text = write_report([runs[0], other], tmp_path / "report.html").read_text(encoding="utf-8")
    words = Page(text).words
    assert "do not compare" in words
    assert "finetune [a]" in words
    assert "plop [b]" in words
    assert "fingerprint beef" in words
    assert '<td class="best">' not in text
    drawings = "".join(re.findall("<svg.*?</svg>", text, flags=re.DOTALL))
    assert "finetune [a]" in drawings and "plop [b]" in drawings


def test_nothing_is_best_between_runs_that_are_not_equally_far(runs, tmp_path):
    shorter = {key: load_results(runs[0])[key][:-1] for key in ("steps", "matrix")}
    other = make_run(tmp_path, "plop", images=1, **shorter)
    text = write_report([*runs[:2], other], tmp_path / "report.html").read_text(encoding="utf-8")
    assert '<td class="best">' not in text
    assert "plop [b]" in Page(text).words and "after step 1" in Page(text).words


def test_seeds_are_one_method_with_deviation(tmp_path):
    runs = [make_run(tmp_path, "vdfd", images=1)]
    summary = load_results(runs[0])["summary"]
    for seed, overall in ((0, 50.0), (1, 60.0), (2, 64.0)):
        changes = {"seed": seed, "summary": {**summary, "overall": overall}}
        runs.append(make_run(tmp_path / str(seed), "mib", images=1, **changes))
    page = Page(write_report(runs, tmp_path / "r.html").read_text(encoding="utf-8"))
    # Mean 58; squares of -8, 2, 6 sum to 104, by 2 is 52.
    assert "58.00 ± 7.21" in page.words
    assert page.words.count("58.00 ± 7.21") == 1
    assert "vdfd, mib on discs toy 3-2-2" in page.words
    assert "mib seed 2" in page.words
    shown = {alt for alt in page.images if "after step" in alt}
    assert {alt.split(", ")[1].split(" after")[0] for alt in shown} == {"mib seed 0", "vdfd"}
    assert "of each method the first of its seeds" in page.words


def test_every_plot_and_picture_is_enlarged_by_a_box_of_its_own(comparison):
    """The box stands right before what it enlarges, as its style rule needs; it has a name."""
    page = Page(comparison)
    boxes = [i for i, (tag, _) in enumerate(page.elements) if tag == "input"]
    assert len(boxes) == len(page.figures) + len(page.images)
    for index in boxes:
        (_, box), (shown, attrs) = page.elements[index : index + 2]
        assert box["type"] == "checkbox" and shown in ("svg", "img")
        assert box["aria-label"] == f"enlarge: {attrs.get('alt') or attrs['aria-label']}"
