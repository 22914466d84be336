"""Read-outs of a run of VDFDPlus, which does one of them itself."""

import pytest

from tests.tiny import tiny_classifier_config, write_config
from vdfd_seg.datasets import write_digits


@pytest.fixture(scope="module", params=["task", "class"])
def run(request, train, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    method = {"type": "VDFDPlus", "family": "categorical", "gaussians": 0.4}
    config = tiny_classifier_config(write_digits(folder / "digits"), method, request.param)
    return request.param, train(file=write_config(folder / "tiny.py", config))


def test_one_of_them_is_what_the_run_reports(tool, run, capsys):
    scenario, finished = run
    result = tool.measure(str(finished.file), finished.path, 0.4)
    reported = result["moved, and heads" if scenario == "task" else "moved"]
    assert reported == pytest.approx(finished.results["summary"]["acc"], abs=0.5)
    assert len(result) == (9 if scenario == "task" else 5)
    capsys.readouterr()
    assert tool.main([str(finished.file), str(finished.path), "--weight", "0.4"]) == 0
    header, _, line = capsys.readouterr().out.strip().splitlines()
    assert header.count("|") == line.count("|") == len(result) + 2


def test_a_weight_of_zero_leaves_the_heads(tool, run):
    scenario, finished = run
    if scenario == "task":
        result = tool.measure(str(finished.file), finished.path, 0.0)
        assert result["moved, and heads"] == result["heads"]
