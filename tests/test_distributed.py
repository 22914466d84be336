"""Two processes on the CPU (gloo) give what one process gives with the same total batch."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.tiny import changed, tiny_config, write_config, write_scenes

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """What must hold for equal gradients: an equal number of labelled pixels in every image (no
    void), no statistics over a batch and no dropout, whose masks depend on the process."""
    folder = tmp_path_factory.mktemp("distributed")
    root = write_scenes(folder / "rectangles", void=False)
    frozen = {"type": "BN", "requires_grad": True}
    return folder, changed(
        tiny_config(root),
        {
            "train_cfg": {"max_iters": 3},
            "step_overrides": {},
            "model.backbone.norm_eval": True,
            "model.backbone.norm_cfg": frozen,
            "model.decode_head.norm_cfg": {"type": "GN", "num_groups": 4},
            "model.decode_head.dropout_ratio": 0.0,
            "optim_wrapper.optimizer": {"type": "SGD", "lr": 0.01},
            "train_dataloader.dataset.pipeline": [
                {"type": "LoadImageFromFile"},
                {"type": "LoadAnnotations"},
                {"type": "RandomCrop", "crop_size": (48, 48)},
                {"type": "RandomFlip", "prob": 0.5},
                {"type": "PackSegInputs"},
            ],
        },
    )


def one_thread_environment():
    """The environment of a process that is started: no GPU, one thread."""
    return {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def numbers(value):
    """All numbers in nested results, by where they are."""
    if isinstance(value, dict):
        return {f"{k}.{p}": n for k, v in value.items() for p, n in numbers(v).items()}
    if isinstance(value, list):
        return {f"{k}.{p}": n for k, v in enumerate(value) for p, n in numbers(v).items()}
    return {"": value}


def state(run, step):
    path = run / f"step_{step:02d}" / "checkpoint.pth"
    return torch.load(path, map_location="cpu", weights_only=True)


def two_processes(work_dir, file, *arguments):
    """The folder of a run by two processes."""
    done = subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2",
         str(ROOT / "tools" / "train.py"), str(file), "--work-dir", str(work_dir),
         "--launcher", "pytorch", *arguments],
        capture_output=True, text=True, check=False, timeout=300,
        env=one_thread_environment(),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return work_dir


def test_two_processes_equal_one(config, train):
    folder, whole = config
    one = train(file=write_config(folder / "one.py", whole))
    file = write_config(folder / "two.py", changed(whole, {"train_dataloader.batch_size": 2}))
    two = two_processes(folder / "two", file)
    # Sums in another order: weights agree to 1e-4, so a pixel in a thousand may change its class.
    for step in range(3):
        ours, theirs = state(one.path, step), state(two, step)
        for name, value in ours["state_dict"].items():
            assert torch.allclose(value, theirs["state_dict"][name], atol=1e-4, rtol=1e-4), name
        pairs = zip(*(run["method"]["state"]["memories"] for run in (ours, theirs)), strict=True)
        for one_memory, two_memory in pairs:
            for name, left in one_memory["left"].items():
                gradient = left @ one_memory["right"][name]
                other = two_memory["left"][name] @ two_memory["right"][name]
                assert (gradient - other).norm() <= 1e-2 * gradient.norm(), name
    results = json.loads((two / "results.json").read_text())
    for key in ("protocol", "metric", "seed"):
        assert results[key] == one.results[key]
    for key in ("matrix", "summary"):
        assert numbers(results[key]) == pytest.approx(numbers(one.results[key]), abs=0.5)
    for key in ("train_images", "test_images", "memory_bytes", "held_bytes", "parameters"):
        assert [s[key] for s in results["steps"]] == [s[key] for s in one.results["steps"]]
    assert results["environment"]["processes"] == "2"
    assert (two / "report.html").exists()


def test_two_processes_find_the_same_pseudo_labels_as_one(config, train):
    folder, whole = config
    whole = changed(
        whole,
        {
            "method": {"type": "PLOP"},
            "model.decode_head.loss_decode": {"type": "CrossEntropyLoss"},
        },
    )
    one = train("--steps", "0:2", file=write_config(folder / "plop_one.py", whole))
    file = write_config(folder / "plop_two.py", changed(whole, {"train_dataloader.batch_size": 2}))
    two = two_processes(folder / "plop_two", file, "--steps", "0:2")
    ours, theirs = state(one.path, 1)["state_dict"], state(two, 1)["state_dict"]
    for name, value in ours.items():
        assert torch.allclose(value, theirs[name], atol=1e-4, rtol=1e-4), name


def test_two_processes_draw_branches_of_their_own_and_train(config):
    """A parameter without a gradient, or a frozen one that waits for its own, is an error here."""
    folder, whole = config
    file = write_config(
        folder / "rcil_two.py",
        changed(whole, {"method": {"type": "RCIL"}, "train_dataloader.batch_size": 2}),
    )
    two = two_processes(folder / "rcil_two", file, "--steps", "0:2")
    for step in range(2):
        saved = state(two, step)
        assert all(value.isfinite().all() for value in saved["state_dict"].values())
        carried = saved["method"]["state"]["branches"]
        assert all(f"{name}.weight" in saved["state_dict"] for name in carried)
    first, second = (state(two, step)["method"]["state"]["branches"] for step in range(2))
    assert first.keys() == second.keys()
    for name, branch in first.items():
        assert not torch.equal(branch["conv.weight"], second[name]["conv.weight"])
