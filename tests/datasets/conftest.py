from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vdfd_seg.datasets.segmentation.index import build_index

MASKS = {
    "a": [[0, 0, 1], [2, 255, 255]],
    "b": [[0, 0, 0], [0, 0, 0]],
    "c": [[2, 2, 2], [2, 2, 1]],
}


def write_mask(path, values):
    """Write an index mask with a palette."""
    mask = Image.fromarray(np.array(values, np.uint8))
    mask.putpalette([channel for value in range(256) for channel in (255 - value, value, 7)])
    mask.save(path)


def write_sample(root, name, values) -> dict:
    """Write a mask and an image of one colour; returns their data info."""
    item = {"img_path": f"{root}/images/{name}.jpg", "seg_map_path": f"{root}/masks/{name}.png"}
    for path in item.values():
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", np.shape(values)[::-1], (90, 120, 30)).save(item["img_path"])
    write_mask(item["seg_map_path"], values)
    return {"name": str(name), **item}


@pytest.fixture
def items(tmp_path):
    """Data infos of the samples a, b and c, whose masks hold ``MASKS``."""
    return [write_sample(tmp_path, name, values) for name, values in MASKS.items()]


@pytest.fixture
def index(tmp_path, monkeypatch):
    """``build_index`` for three classes with a cache of the test's own."""
    monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "cache"))

    def build(items, **settings):
        return build_index(items, **{"num_classes": 3, "progress": False, **settings})

    return build
