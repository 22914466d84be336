"""A domain-incremental sequence: the same classes, one folder of images after another."""

import shutil

import numpy as np
import pytest
from PIL import Image

from tests.test_resume import assert_same_run
from tests.tiny import CLASSES, TRAIN, VAL
from vdfd_seg import load_predictor
from vdfd_seg.evaluation import confusion_matrix
from vdfd_seg.evaluation.functional import mean_iou

DOMAINS = ("day", "night")


@pytest.fixture(scope="module")
def run(scenes, train, tmp_path_factory):
    """Images of even number are the first domain, the others the second."""
    root = tmp_path_factory.mktemp("domains")
    for split, count in (("train", len(TRAIN)), ("val", len(VAL))):
        names = []
        for number in range(count):
            name = f"{split}_{number:02d}"
            domain = DOMAINS[number % 2]
            for folder, suffix in (("JPEGImages", ".jpg"), ("SegmentationClass", ".png")):
                (root / folder / domain).mkdir(parents=True, exist_ok=True)
                shutil.copy(scenes / folder / f"{name}{suffix}", root / folder / domain)
            names.append(f"{domain}/{name}")
        (root / "ImageSets/Segmentation").mkdir(parents=True, exist_ok=True)
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(names) + "\n")
    config = {
        "protocol": {
            "type": "Custom", "scenario": "domain", "name": "day-night", "dataset": "Rectangles",
            "classes": list(CLASSES), "tasks": [["day"], ["night"]],
        },
        "train_dataloader.dataset.data_root": str(root),
        "test_dataloader.dataset.data_root": str(root),
        "train_cfg": {"max_iters": 2},
        "step_overrides": {},
        "forward_transfer": True,
    }  # fmt: skip
    result = train(config=config)
    result.config = config
    result.root = root
    return result


def test_steps_know_all_classes_and_train_on_their_own_domain(run):
    steps = run.results["steps"]
    assert [step["classes_seen"] for step in steps] == [list(CLASSES)] * 2
    assert [step["train_images"] for step in steps] == [6, 6]
    assert [step["test_images"] for step in steps] == [3, 6]
    first, second = run.results["matrix"]
    assert first[0] is not None and first[1] is None
    assert run.results["summary"]["bwt"] == pytest.approx(second[0] - first[0])
    assert not {"old", "new", "all"} & run.results["summary"].keys()


def test_each_task_is_tested_on_its_own_domain(run):
    """Rows of the confusion matrices sum to the pixels of that domain's test masks."""
    for task, domain in enumerate(DOMAINS):
        expected = np.zeros(len(CLASSES), dtype=int)
        for path in (run.root / "SegmentationClass" / domain).glob("val_*.png"):
            values = np.asarray(Image.open(path)).ravel()
            expected += np.bincount(values, minlength=256)[: len(CLASSES)]
        counted = np.array(run.results["steps"][1]["confusions"][str(task)]).sum(1)
        assert counted.tolist() == expected.tolist()


def test_forward_transfer_is_what_the_next_domain_gains_before_it_is_trained(run):
    predict = load_predictor(run.path, step=0)
    counts = np.zeros((len(CLASSES), len(CLASSES)), dtype=int)
    for path in (run.root / "SegmentationClass/night").glob("val_*.png"):
        labels = np.asarray(Image.open(path))
        predicted = predict(run.root / f"JPEGImages/night/{path.stem}.jpg")
        counts += confusion_matrix(predicted, labels, len(CLASSES))
    first, second = run.results["steps"]
    assert first["next_task"] == pytest.approx(mean_iou(counts))
    gain = first["next_task"] - first["next_task_untrained"]
    assert run.results["summary"]["fwt"] == pytest.approx(gain)
    assert "next_task" not in second


def test_a_domain_added_later(run, train):
    one = {**run.config, "protocol": {**run.config["protocol"], "tasks": [["day"]]}}
    work = train(config=one).path
    extended = train("--resume", file=run.file, work_dir=work)
    assert_same_run(extended, run, step=0)
    assert_same_run(extended, run, step=1)
