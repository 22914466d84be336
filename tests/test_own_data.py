"""The page about your own data: its configs are written as they stand there, its commands run."""

import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.documented import ROOT, main_of
from tests.tiny import TRAIN, VAL
from vdfd_seg.cli import run_guarded

PAGE = (ROOT / "docs/en/user_guides/own_data.md").read_text()
CONFIGS = dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", PAGE, re.DOTALL))
COMMANDS = [
    shlex.split(line)[1:] for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
]  # fmt: skip
SHORTER = [
    "train_cfg.max_iters=1", "step_overrides.1:.train_cfg.max_iters=1",
    "train_dataloader.batch_size=2", "train_dataloader.num_workers=0", "log_level=WARNING",
    "test_dataloader.num_workers=0", "train_dataloader.dataset.pipeline.3.crop_size=(64,64)",
    "model.data_preprocessor.size=(64,64)", "test_dataloader.dataset.pipeline.1.scale=(64,64)",
]  # fmt: skip
"""What a test changes in the page's configs: fewer iterations and smaller images, nothing else."""


@pytest.fixture(scope="module")
def clone(scenes, stack, tmp_path_factory):
    """A folder as the page describes it, with the tiny data set and a network trained elsewhere."""
    root = tmp_path_factory.mktemp("clone")
    (root / "configs").symlink_to(ROOT / "configs")
    (root / "tools").symlink_to(ROOT / "tools")
    for name, text in CONFIGS.items():
        (root / name).write_text(text)
    for split, count in (("train", len(TRAIN)), ("val", len(VAL))):
        for number in range(count):
            name = f"{split}_{number:02d}"
            place = f"{split}/{('day', 'night')[number % 2]}"
            for source, target in (
                (f"JPEGImages/{name}.jpg", f"images/{place}"),
                (f"SegmentationClass/{name}.png", f"masks/{place}"),
            ):
                folder = root / "data/garden" / target
                folder.mkdir(parents=True, exist_ok=True)
                shutil.copy(scenes / source, folder)
    for split, masks in (("train2017", ([0, 79], [80, 170])), ("val2017", ([0], [79, 80]))):
        for number, ids in enumerate(masks):
            columns = np.repeat(np.array(ids, np.uint8), 64 // len(ids))[None].repeat(64, 0)
            for kind, name, array in (
                ("images", f"{number:012d}.jpg", np.stack([columns] * 3, 2)),
                ("annotations", f"{number:012d}_labelTrainIds.png", columns),
            ):
                file = root / "data/coco_stuff164k" / kind / split / name
                file.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(file)
    shutil.copytree(root / "data/garden/images/train", root / "data/first_task")
    (root / "data/coloured").mkdir()
    colours = np.array([[(0, 128, 0), (0, 0, 0)], [(128, 0, 0), (128, 0, 0)]], np.uint8)
    Image.fromarray(colours).save(root / "data/coloured/a.png")
    (table,) = re.findall(r"```\n# colours\.txt\n(.*?)```", PAGE, re.DOTALL)
    (root / "colours.txt").write_text(table)
    write_trained(root)
    return root


def add_bees(root):
    """Images of a class with the next id, in the test image next to an old class; their files."""
    files = []
    for split, ids in (("train", [7]), ("val", [1, 7])):
        image = np.random.default_rng(7).integers(0, 256, (64, 64, 3), np.uint8)
        mask = np.repeat(np.array(ids, np.uint8), 64 // len(ids))[:, None].repeat(64, 1)
        for kind, name, array in (("images", "bee.jpg", image), ("masks", "bee.png", mask)):
            files.append(root / "data/garden" / kind / split / name)
            Image.fromarray(array).save(files[-1])
    return files


def write_trained(root):
    """A checkpoint of the page's network as MMEngine's hook writes it."""
    from mmengine.config import ConfigDict

    from vdfd_seg.engine import load_run
    from vdfd_seg.engine.networks import build_network
    from vdfd_seg.engine.run.environment import set_up

    set_up()
    settings = load_run(root / "own.py")
    network, _ = build_network(settings.config.model, 3)
    meta = {"dataset_meta": {"classes": ("leaf", "background", "apple")}, "cfg": ConfigDict(a=1)}
    torch.save({"meta": meta, "state_dict": network.state_dict()}, root / "trained.pth")


def shortened(command):
    """The arguments of a command of the page, made to end soon."""
    path, *arguments = command
    trains = not path.endswith(("infer.py", "colour_masks.py"))
    return [*arguments, "--cfg-options", *SHORTER] if trains else arguments


def test_every_command_on_the_page_runs(clone, monkeypatch, capsys):
    """In their order: later commands read what earlier ones wrote."""
    monkeypatch.chdir(clone)
    # The audit imports its neighbour.
    monkeypatch.syspath_prepend(clone / "tools/analysis_tools")
    assert {Path(path).stem for path, *_ in COMMANDS} == {
        "train", "audit_protocol", "infer", "adopt", "test", "colour_masks",
    }  # fmt: skip
    for command in COMMANDS:
        bees = add_bees(clone) if "own_later.py" in command else []
        status = run_guarded(main_of(command[0]), shortened(command))
        assert status == 0, (command, capsys.readouterr().err)
        for path in bees:
            path.unlink()
    with Image.open(clone / "data/masks/a.png") as mask:
        assert np.asarray(mask).tolist() == [[2, 0], [1, 1]]
    for run, steps in (("own", 4), ("coco_stuff", 2), ("own_domains", 2), ("adopted", 3)):
        results = json.loads((clone / "work_dirs" / run / "results.json").read_text())
        assert [step["step"] for step in results["steps"]] == list(range(steps))
    assert len(list((clone / "overlays").rglob("*.png"))) == len(VAL)
    own = (clone / "work_dirs/adopted/step_00/checkpoint.pth").stat().st_size
    assert own > 1_000_000
