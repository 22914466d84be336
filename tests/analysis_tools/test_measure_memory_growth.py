"""What a process holds after each step of a long sequence, counted and found not to grow."""

import json
import os
import threading

import pytest
import torch

from vdfd_seg.cli import run_guarded


def test_finds_what_is_held(tool):
    before = tool.Holding.now()
    held, wait = torch.zeros(2**18), threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    with open(os.devnull):
        after = tool.Holding.now()
    wait.set()
    thread.join()
    assert after.tensors == before.tensors + 1
    assert after.tensor_memory == pytest.approx(before.tensor_memory + 1)
    assert after.threads == before.threads + 1
    assert after.files == before.files + 1
    assert after.private > before.private - 1
    assert held.sum() == 0


def test_slope_is_that_of_the_second_half(tool):
    zero = dict.fromkeys(("private", "allocated", "left", "tensor_memory"), 0.0)
    counts = dict.fromkeys(("objects", "children", "files", "handlers"), 3)
    holdings = [
        tool.Holding(tensors=max(0, step - 4) * 2, threads=1 if step < 4 else 7, **zero, **counts)
        for step in range(8)
    ]
    growth = tool.slopes(holdings)
    assert growth["tensors"] == pytest.approx(2)
    assert growth["threads"] == pytest.approx(0, abs=1e-9)
    assert growth["files"] == pytest.approx(0, abs=1e-9)


def test_a_sequence_leaves_nothing_behind(tool, tmp_path, stack, capsys):
    arguments = ["--steps", "4", "--iters", "1", "--method", "LwF", "--out", str(tmp_path)]
    assert tool.main([*arguments, "--json", str(tmp_path / "held.json")]) == 0
    assert "a step, over the second half: private " in capsys.readouterr().out
    held = json.loads((tmp_path / "held.json").read_text())["steps"]
    assert len(held) == 4
    for key in ("tensors", "tensor_memory", "threads", "children", "files", "handlers"):
        assert held[3][key] == held[1][key], key
    # A row of results and its confusions, nothing of the size of a network's modules.
    assert held[3]["objects"] - held[2]["objects"] < 200
    results = json.loads((tmp_path / "work" / "results.json").read_text())
    assert [entry["step"] for entry in results["steps"]] == [0, 1, 2, 3]


def test_steps_out_of_range(tool, capsys):
    assert run_guarded(tool.main, ["--steps", "2"]) == 2
    assert "--steps 2 must be from 4 to 250" in capsys.readouterr().err
