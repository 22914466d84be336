"""Finished runs and videos to predict with."""

import csv

import numpy as np
import pytest
from PIL import Image

from vdfd_seg.datasets import read_arrays
from vdfd_seg.inference.video import VideoWriter


@pytest.fixture(scope="session")
def digit_images(digits, tmp_path_factory):
    """The first test images of the digits as PNGs, named by their place."""
    folder = tmp_path_factory.mktemp("digit_images")
    for place, image in enumerate(read_arrays(digits, "test").images[:120]):
        Image.fromarray(image).save(folder / f"{place:03d}.png")
    return folder


@pytest.fixture(scope="session")
def classifier(sequence):
    """A finished sequence of classification."""

    def run(scenario="class", method="FineTune", **options):
        return sequence({"type": method, **options}, scenario)

    return run


def rows_of(path):
    """The rows of a table, as dicts."""
    with path.open() as file:
        return list(csv.DictReader(file))


def evaluated(run, task=None):
    """What the evaluation of the last step predicted: {place: class name}."""
    rows = rows_of(run.predictions / "step_02/predictions.csv")
    chosen = [row for row in rows if task is None or int(row["task"]) == task]
    return {int(row["image"]): row["predicted"] for row in chosen}


@pytest.fixture(scope="session")
def clip(scenes, tmp_path_factory):
    """A video of seven frames, of the tiny data set's images of 48x48 pixels."""
    path = tmp_path_factory.mktemp("clip") / "drive.mp4"
    with VideoWriter(path, rate=5.0) as writer:
        for place in (0, 2, 3, 4, 5, 6, 7):
            with Image.open(scenes / f"JPEGImages/train_{place:02d}.jpg") as image:
                writer.write(np.asarray(image.convert("RGB")))
    return path
