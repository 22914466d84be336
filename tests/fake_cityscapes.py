"""Cityscapes' folders with tiny images."""

import numpy as np
from PIL import Image

VAL_CITIES = ("frankfurt", "lindau", "munster")
CITY_SIZES = {
    "aachen": 174, "bochum": 96, "bremen": 316, "cologne": 154, "darmstadt": 85,
    "dusseldorf": 221, "erfurt": 109, "hamburg": 248, "hanover": 196, "jena": 119,
    "krefeld": 99, "monchengladbach": 94, "strasbourg": 365, "stuttgart": 196, "tubingen": 144,
    "ulm": 95, "weimar": 142, "zurich": 122, "frankfurt": 267, "lindau": 59, "munster": 174,
}  # fmt: skip
"""Images of each city in the official training and validation sets."""


def names(sizes=CITY_SIZES) -> list[str]:
    """Names below ``leftImg8bit`` without the suffix, in the order of the paths."""
    return sorted(
        f"{'val' if city in VAL_CITIES else 'train'}/{city}/{city}_{number:06d}_000019"
        for city, size in sizes.items()
        for number in range(size)
    )


def label_ids(name, shape=(8, 16)) -> np.ndarray:
    """Road (7) and two more ids that follow the name; rows of void at both ends."""
    number = sum(name.encode())
    labels = np.full(shape, 7, np.uint8)
    labels[:, 3] = number % 34
    labels[:, 4] = 24 + number % 10
    labels[0], labels[-1] = 0, 3
    return labels


def write_cityscapes(root, sizes, shape=(8, 16)):
    """Images and labels by label id, of ``test`` and ``train_extra`` too."""
    extra = ["test/berlin/berlin_000000_000019", "train_extra/augsburg/augsburg_000000_000019"]
    for name in [*names(sizes), *extra]:
        image = root / "leftImg8bit" / f"{name}_leftImg8bit.png"
        labels = root / "gtFine" / f"{name}_gtFine_labelIds.png"
        for path in (image, labels):
            path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", shape[::-1], (sum(name.encode()) % 256, 90, 60)).save(image)
        Image.fromarray(label_ids(name, shape)).save(labels)
        Image.new("RGBA", shape[::-1]).save(root / "gtFine" / f"{name}_gtFine_color.png")
    return root
