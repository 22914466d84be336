"""A run that is evaluated on the middle of its images, and shown in full."""

import numpy as np
import pytest
from PIL import Image

from tests.tiny import CLASSES
from vdfd_seg.cli import run_command
from vdfd_seg.engine import load_run
from vdfd_seg.engine.input.data import open_data

SIDE = 24


@pytest.fixture(scope="module")
def run(train):
    return train(
        config={
            "train_cfg": {"max_iters": 1},
            "step_overrides": {},
            "method": {"type": "FineTune"},
            "test_dataloader.dataset.pipeline": [
                {"type": "LoadImageFromFile"},
                {"type": "LoadAnnotations"},
                {"type": "Resize", "scale": (96, 48), "keep_ratio": True},
                {"type": "vdfd_seg.EvaluationCrop", "size": (SIDE, SIDE)},
                {"type": "PackSegInputs"},
            ],
        }
    )


def test_counts_the_pixels_of_the_middle(run, scenes):
    last = run.results["steps"][-1]
    expected = np.zeros(len(CLASSES), dtype=int)
    order = ["background", "green", "red", "gold", "blue", "pink", "cyan"]
    for path in (scenes / "SegmentationClass").glob("val_*.png"):
        mask = np.asarray(Image.open(path))
        height, width = mask.shape
        top, left = (height - SIDE) // 2, (width - SIDE) // 2
        middle = mask[top : top + SIDE, left : left + SIDE]
        counts = np.bincount(middle.ravel(), minlength=256)
        expected += [counts[CLASSES.index(name)] for name in order]
    assert np.array(last["confusions"]["0"]).sum(1).tolist() == expected.tolist()


def test_pictures_and_inference_show_whole_images(run, scenes, tmp_path):
    examples = sorted((run.path / "samples").glob("*.png"))
    assert examples
    for truth in examples:
        size = Image.open(truth).size
        assert min(size) == 48
        shown = run.path / "step_02" / "predictions" / truth.name
        assert Image.open(shown).size == size
    image = scenes / "JPEGImages" / "val_01.jpg"
    checkpoint = run.path / "step_02" / "checkpoint.pth"
    arguments = [str(checkpoint), str(image), "--out", str(tmp_path), "--masks"]
    assert run_command("infer", arguments) == 0
    assert Image.open(tmp_path / "val_01_mask.png").size == Image.open(image).size


def test_the_part_that_is_evaluated_is_part_of_the_fingerprint(run, config_file):
    def fingerprint(*crop):
        steps = ["LoadImageFromFile", "LoadAnnotations", *crop, "PackSegInputs"]
        pipeline = [{"type": step} if isinstance(step, str) else step for step in steps]
        changes = {"test_dataloader.dataset.pipeline": pipeline}
        return open_data(load_run(config_file(changes))).fingerprint

    crop = {"type": "vdfd_seg.EvaluationCrop", "size": (SIDE, SIDE)}
    crops = [(), (crop,), ({**crop, "size": [SIDE, SIDE]},), ({**crop, "size": (SIDE, 20)},)]
    prints = [fingerprint(*crop) for crop in crops]
    assert prints[1] == prints[2] == run.results["protocol"]["fingerprint"]
    assert len(set(prints)) == 3
