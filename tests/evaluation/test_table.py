import copy
from pathlib import Path

import pytest

from vdfd_seg.evaluation import RunFiles, format_table, load_runs, read_runs, write_results
from vdfd_seg.evaluation.readable import human_bytes, human_seconds
from vdfd_seg.evaluation.runs import protocol_marks


def test_shows_rows_summary_memory_and_time(results):
    text = format_table([results])
    assert text.isascii()
    assert max(map(len, text.splitlines())) <= 110
    for shown in ("vdfd", "50.0 30.0", "60.00", "-10.00", "52.50", "2.0 KiB", "2 min 02 s", "2/2"):
        assert shown in text, shown
    assert "fingerprint" not in text


def test_shows_what_is_held_and_the_peak_where_they_are_known(results):
    assert format_table([results]).splitlines()[-2].count(" - ") == 2
    results["steps"][1] |= {
        "held_bytes": 3 * 2**20, "peak_memory_bytes": 2**31, "peak_memory_of": "GPU",
    }  # fmt: skip
    results["steps"][0] |= {"held_bytes": 5 * 2**20, "peak_memory_bytes": None}
    text = format_table([results])
    assert "5.0 MiB" in text
    assert "2.0 GiB GPU" in text
    assert max(map(len, text.splitlines())) <= 110


def test_different_protocols_are_marked(results):
    other = copy.deepcopy(results)
    other["method"] = "mib"
    other["protocol"]["fingerprint"] = "ffff"
    named = {"ours": results, "theirs": other, "again": results}
    text = format_table([RunFiles(Path(), each, name) for name, each in named.items()])
    assert "NOT COMPARABLE" in text
    assert text.count("ours [a]") == text.count("again [a]")
    assert "theirs [b]" in text
    assert "[b] mIoU on toy 2-1" in text
    assert "fingerprint ffff" in text
    assert "from [a] to [b]: other images, masks or crops" in text
    other["protocol"]["setting"] = "disjoint"
    text = " ".join(format_table([results, other]).split())
    assert "from [a] to [b]: setting was 'overlap', now 'disjoint'" in text


@pytest.mark.parametrize(
    ("change", "folders", "names"),
    [
        # By the seed alone where nothing else differs, else by the work dir.
        ({"seed": 1}, ["w/a", "w/b"], ["vdfd seed 0", "vdfd seed 1"]),
        ({}, ["w/a", "w/b"], ["vdfd (a)", "vdfd (b)"]),
        ({"config": "b", "seed": 1}, ["w/a/x", "w/b/x"], ["vdfd (a/x)", "vdfd (b/x)"]),
        ({}, ["w/a", "w"], ["vdfd (a)", "vdfd (w)"]),
        ({}, ["w/a", "w/a"], ["vdfd (a)", "vdfd (a #2)"]),
    ],
)
def test_runs_of_one_method_are_told_apart(results, change, folders, names):
    runs = zip(folders, (results, {**results, **change}), strict=True)
    named = read_runs([RunFiles(Path(folder), run) for folder, run in runs])
    assert [run.name for run in named] == names


def test_runs_that_are_not_equally_far_do_not_compare(results):
    shorter = {**results, "steps": results["steps"][:-1], "matrix": results["matrix"][:-1]}
    marks, notes = protocol_marks(load_runs([results, shorter, results]))
    assert marks == ["a", "b", "a"]
    last = results["steps"][-1]["step"]
    assert [note.rpartition(", ")[2] for note in notes.values()] == [
        f"after step {last}", f"after step {last - 1}",
    ]  # fmt: skip
    assert "NOT COMPARABLE" in format_table([results, shorter])
    assert protocol_marks(load_runs([results, results])) == (["", ""], {})


def test_bytes_and_seconds_for_people():
    counts, seconds = (None, 0, 1536, 3 * 2**40), (None, 4.24, 59.7, 185, 7620)
    assert [human_bytes(each) for each in counts] == ["-", "0 B", "1.5 KiB", "3.0 TiB"]
    assert [human_seconds(each) for each in seconds] == [
        "-", "4.2 s", "1 min 00 s", "3 min 05 s", "2 h 07 min",
    ]  # fmt: skip


def test_the_folder_one_stands_in_is_a_work_dir_like_others(tmp_path, results, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        write_results(tmp_path / name / "results.json", results)
    monkeypatch.chdir(tmp_path / "a")
    assert [run.name for run in read_runs([".", "../b"])] == ["vdfd (a)", "vdfd (b)"]
