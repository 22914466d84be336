"""A run resumed under a protocol with more tasks ends as one that had them from the start."""

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from tests.test_resume import assert_same_run
from tests.tiny import CLASSES, changed, tiny_classifier_config, tiny_config, write_config
from vdfd_seg.cli import run_command
from vdfd_seg.datasets import write_arrays

FEW = {"train_cfg": {"max_iters": 2}, "step_overrides": {}, "save_interval": 1}
TASKS = [["background", "green", "red"], ["blue"], ["cyan"]]
ICARL = {"type": "ICaRL", "exemplars": 12}
OLD = {"train": (0, 1, 2, 4, 6), "val": (0, 1)}
NEW = {"train": (9, 0, 1, 2, 4, 6, 7), "val": (4, 0, 1, 3, 5)}
"""Images of the tiny data set before and after cyan is a class. Of the new training images
(listed before and after the old ones) only cyan is labelled; one of the new test images is red."""


@pytest.fixture(scope="module")
def grown(scenes, tmp_path_factory):
    """The tiny data set without labels of pink and gold, and a third list of images: a mistake."""
    root = tmp_path_factory.mktemp("grown") / "rectangles"
    shutil.copytree(scenes, root)
    for path in (root / "SegmentationClass").glob("*.png"):
        mask = np.array(Image.open(path))
        mask[(mask > CLASSES.index("cyan")) & (mask < 255)] = 0
        Image.fromarray(mask).save(path)
    wrong = {"train": (*NEW["train"], 11), "val": NEW["val"]}
    for name, lists in (("old", OLD), ("new", NEW), ("wrong", wrong)):
        for split, numbers in lists.items():
            lines = "".join(f"{split}_{number:02d}\n" for number in numbers)
            (root / f"ImageSets/Segmentation/{split}_{name}.txt").write_text(lines)
    return root


@pytest.fixture(scope="module")
def configs(grown, tmp_path_factory):
    """Write a config of so many tasks, of the images before or after."""

    def make(tasks=3, lists="new", **changes):
        protocol = {
            "protocol.name": f"{tasks} tasks",
            "protocol.classes": list(CLASSES[: 2 + tasks]),
            "protocol.tasks": TASKS[:tasks],
            **{
                f"{part}_dataloader.dataset.ann_file": f"ImageSets/Segmentation/{split}_{lists}.txt"
                for part, split in (("train", "train"), ("test", "val"))
            },
        }
        folder = tmp_path_factory.mktemp("config")
        return write_config(
            folder / "own.py", changed(tiny_config(grown), {**FEW, **protocol, **changes})
        )

    return make


@pytest.fixture(scope="module")
def short(configs, train):
    """A finished run of two tasks, with fine-tuning."""
    return train(file=configs(2, "old", method={"type": "FineTune"}))


def assert_continued(extended, whole):
    """Weights, memories and results of every step are those of the run that had all tasks."""
    for step in range(3):
        assert_same_run(extended, whole, step)


def test_a_class_with_new_images(configs, train, capfd, trained_steps, tmp_path):
    work = train(file=configs(2, "old")).path
    before = json.loads((work / "results.json").read_text())
    trained_steps.clear()
    capfd.readouterr()
    extended = train("--resume", file=configs(3), work_dir=work)
    said = capfd.readouterr().out
    assert f"the 2 tasks of '{work}' are the first of 3 now" in said
    assert trained_steps == [2]
    assert json.loads((work / "results_of_2_tasks.json").read_text()) == before
    # A new test image is red: the first task is evaluated on it, after every step.
    whole = train(file=configs(3))
    assert [s["test_images"] for s in before["steps"]] == [2, 2]
    assert [s["test_images"] for s in whole.results["steps"]] == [3, 3, 5]
    assert_continued(extended, whole)
    shown = [sorted(p.name for p in (run.path / "samples").iterdir()) for run in (extended, whole)]
    assert shown[0] == shown[1]
    for name in (path.stem for path in (whole.path / "samples").glob("*.png")):
        for step in range(3):
            assert (work / f"step_{step:02d}/predictions/{name}.png").exists()
    out = tmp_path / "tested.json"
    arguments = [str(extended.file), str(work), "--all-steps", "--out", str(out)]
    assert run_command("test", arguments) == 0
    assert json.loads(out.read_text())["matrix"] == whole.results["matrix"]


def test_a_step_half_trained_under_fewer_tasks(configs, train, interrupt, tmp_path):
    """And only the last step is asked for: the earlier ones are evaluated again all the same."""
    plain = {"method": {"type": "FineTune"}}
    interrupt(configs(2, "old", **plain), tmp_path / "work", step=1, at=1)
    assert (tmp_path / "work/step_01/resume.pth").exists()
    train("--resume", "--steps", "1", file=configs(3, **plain), work_dir=tmp_path / "work")
    extended = train("--resume", file=configs(3, **plain), work_dir=tmp_path / "work")
    assert_continued(extended, train(file=configs(3, **plain)))


REFUSED = {
    "an image of an old class added": (
        {"lists": "wrong"}, "step 0 had 4 training images, now it would have 5",
        "none of the earlier tasks' classes labelled",
    ),
    "another first task": (
        {"protocol.tasks": [["background", "blue"], ["green"], ["red"]]},
        "protocol.tasks[0].classes was ['background', 'green', 'red'], now ['background', 'blue']",
    ),
    "fewer tasks": ({"protocol.tasks": TASKS[:1]}, "protocol.tasks was [", "fingerprint"),
    "another learning rate": (
        {"optim_wrapper.optimizer.lr": 0.02}, "optim_wrapper.optimizer.lr was 0.01, now 0.02",
    ),
    "other images under the same tasks": (
        {"tasks": 2, "protocol.classes": list(CLASSES[:5])},
        "protocol.fingerprint was",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_refused(short, configs, tmp_path, refused, case):
    change, *words = REFUSED[case]
    work = shutil.copytree(short.path, tmp_path / "work")
    file = configs(**{"method": {"type": "FineTune"}, **change})
    message = refused("train", file, "--work-dir", work, "--resume")
    assert [word for word in words if word not in message] == [], message
    assert (work / "results.json").read_bytes() == (short.path / "results.json").read_bytes()
    assert not (work / "step_02").exists()


@pytest.fixture(scope="module")
def written(tiny_arrays, tmp_path_factory):
    """Write 4 or 6 classes, the new ones after the old or before them; a config of them."""

    def write(count, method, before=False):
        root = tmp_path_factory.mktemp("data")
        names = tuple("abcdef")
        for split, seed in (("train", 0), ("test", 1)):
            arrays = tiny_arrays(12, seed, names)
            new = arrays.labels >= 4
            order = np.argsort(~new if before else new, kind="stable")
            order = order[arrays.labels[order] < count]
            images, labels = arrays.images[order], arrays.labels[order]
            write_arrays(root, split, images, labels, names[:count])
        protocol = dict(
            type="Custom", problem="classification", scenario="class", background=None,
            unseen="ignore", classes=list(names[:count]),
            tasks=[list(pair) for pair in ("ab", "cd", "ef")[: count // 2]],
        )  # fmt: skip
        changes = {"protocol": protocol, "train_cfg": {"max_epochs": 1}}
        config = changed(tiny_classifier_config(root, method), changes)
        return write_config(tmp_path_factory.mktemp("config") / "own.py", config)

    return write


def test_exemplars_are_kept_and_may_not_become_other_images(written, train, refused):
    """The method carries positions of images."""
    work, file = train(file=written(4, ICARL)).path, written(6, ICARL)
    message = refused("train", written(6, ICARL, before=True), "--work-dir", work, "--resume")
    assert "ICaRL carries positions of images of task 0" in message
    extended = train("--resume", file=file, work_dir=work)
    assert_continued(extended, train(file=file))
    kept = torch.load(work / "step_02/checkpoint.pth")["method"]["state"]["exemplars"]
    assert [len(kept[label]) for label in range(6)] == [2] * 6


def test_without_positions_images_may_move(written, train):
    plain = {"type": "FineTune"}
    file, work = written(6, plain, before=True), train(file=written(4, plain)).path
    assert_continued(train("--resume", file=file, work_dir=work), train(file=file))
