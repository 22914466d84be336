import numpy as np
import pytest
from PIL import Image

from vdfd_seg.datasets.segmentation.index import build_index

MASKS = {
    "a": [[0, 0, 1], [2, 255, 255]],
    "b": [[0, 0, 0], [0, 0, 0]],
    "c": [[2, 2, 2], [2, 2, 1]],
}


def _write_image(path, size=(3, 2)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 120, 30)).save(path)


def _write_mask(path, values, mode="P"):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.array(values)
    if mode == "P":
        mask = Image.fromarray(values.astype(np.uint8))
        mask.putpalette([channel for value in range(256) for channel in (255 - value, value, 7)])
    else:
        types = {"L": np.uint8, "I;16": np.uint16, "1": bool}
        mask = Image.fromarray(values.astype(types[mode]))
    mask.save(path)


@pytest.fixture
def write_image():
    """Write an image of one colour: path, size=(width, height)."""
    return _write_image


@pytest.fixture
def write_mask():
    """Write an index mask: path, rows of values, mode="P"."""
    return _write_mask


@pytest.fixture
def items(tmp_path):
    """Data infos of the samples a, b and c, whose masks hold ``MASKS``."""
    made = []
    for name, values in MASKS.items():
        image, mask = tmp_path / "images" / f"{name}.jpg", tmp_path / "masks" / f"{name}.png"
        _write_image(image)
        _write_mask(mask, values)
        made.append({"name": name, "img_path": str(image), "seg_map_path": str(mask)})
    return made


@pytest.fixture
def index(tmp_path, monkeypatch):
    """``build_index`` for three classes with a cache of the test's own."""
    monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "cache"))

    def build(items, **settings):
        return build_index(items, **{"num_classes": 3, "progress": False, **settings})

    return build
