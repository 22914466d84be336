"""The benchmark of the class index runs, and cleans up; how long it takes is not tested."""

import os

import numpy as np
from PIL import Image


def test_prints_a_row_a_start_and_leaves_nothing(tool, tmp_path, capsys):
    before = os.environ.get("VDFD_SEG_CACHE")
    arguments = ["--masks", "7", "--distinct", "3", "--size", "30", "40", "--starts", "3"]
    assert tool.main([*arguments, "--folder", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert "7 masks of 40 x 30" in printed
    assert [line[2] for line in printed.splitlines() if line[:3] in ("| 1", "| 2", "| 3")] == [
        "1", "2", "3"]  # fmt: skip
    assert list(tmp_path.iterdir()) == []
    assert os.environ.get("VDFD_SEG_CACHE") == before


def test_masks_hold_objects_background_and_void(tool, tmp_path):
    tool.write_data_set(tmp_path / "data", 5, 2, (60, 80))
    masks = sorted((tmp_path / "data/SegmentationClass").iterdir())
    assert len(masks) == 5
    values = [np.unique(np.asarray(Image.open(path))) for path in masks]
    for found in values:
        assert found[0] == 0 and found[-1] == 255 and 1 <= found[1] <= 20
    assert values[0].tolist() == values[2].tolist() == values[4].tolist()
