"""Peaks of memory belong to the stretch that is measured."""

import pytest
import torch

from vdfd_seg.engine.run import peak_memory
from vdfd_seg.engine.run.peak_memory import PeakMemory

SIZE = 64 * 2**20


def allocate(count=1):
    return torch.ones(count * SIZE // 4)


def test_the_peak_is_that_of_the_stretch_and_seen_after_it_is_over():
    if torch.cuda.is_available() or PeakMemory().of != "process":
        pytest.skip("the mark of resident memory cannot be reset here")
    before = PeakMemory().read()
    del_me = allocate(4)
    del del_me
    peak = PeakMemory()
    assert peak.read() - before < 2 * SIZE
    before = peak.read()
    del_me = allocate()
    del del_me
    assert 0.8 * SIZE < peak.read() - before < 1.5 * SIZE


def test_where_the_mark_cannot_be_reset_it_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "get_device", lambda: "cpu")
    monkeypatch.setattr(peak_memory, "CLEAR", tmp_path / "none" / "clear_refs")
    peak = PeakMemory()
    assert peak.of == "process since its start"
    # More than the interpreter with PyTorch, less than any machine has.
    assert 2**26 < peak.read() < 2**40


def test_an_order_that_does_nothing_is_noticed(monkeypatch, tmp_path):
    monkeypatch.setattr(peak_memory, "get_device", lambda: "cpu")
    monkeypatch.setattr(peak_memory, "CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(peak_memory, "STATUS", tmp_path / "status")
    (tmp_path / "status").write_text("VmHWM:\t 900000 kB\nVmRSS:\t 500000 kB\n")
    assert PeakMemory().of == "process since its start"
    (tmp_path / "status").write_text("VmHWM:\t 500001 kB\nVmRSS:\t 500000 kB\n")
    assert PeakMemory().of == "process"
    assert PeakMemory().read() == 500001 * 1024
