"""Several processes on the CPU (gloo) give what one process gives with the same total batch."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.tiny import changed, tiny_config, write_config, write_scenes
from vdfd_seg.checkpoint import load_plain

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


def start(count, work_dir, file, *arguments, **environment):
    """Run ``train`` with several processes; returns how it ended."""
    return subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone",
         f"--nproc_per_node={count}", str(ROOT / "tools" / "train.py"), str(file),
         "--work-dir", str(work_dir), "--launcher", "pytorch", *arguments],
        capture_output=True, text=True, check=False, timeout=300,
        env={**one_thread_environment(), **environment},
    )  # fmt: skip


def processes(count, work_dir, file, *arguments):
    """The folder of a run by several processes, which must succeed."""
    done = start(count, work_dir, file, *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    return work_dir


def two_processes(work_dir, file, *arguments):
    """The folder of a run by two processes."""
    return processes(2, work_dir, file, *arguments)


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
    for key in ("train_images", "test_images", "memory_bytes", "parameters"):
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


def without(config, **changes):
    """A config whose optimiser has a state."""
    return changed(config, {"optim_wrapper.optimizer": {"type": "Adam", "lr": 0.001}, **changes})


@pytest.fixture(scope="module")
def one_and_four(config, train):
    """A run by one process, and its like by four with a quarter of the batch each."""
    folder, whole = config
    whole = changed(whole, {"protocol.tasks": whole["protocol"]["tasks"][:2]})
    one = train(file=write_config(folder / "of_four_one.py", whole))
    file = write_config(folder / "four.py", changed(whole, {"train_dataloader.batch_size": 1}))
    return one, processes(4, folder / "four", file)


def test_four_processes_equal_one(one_and_four):
    one, four = one_and_four
    for step in range(2):
        ours, theirs = state(one.path, step)["state_dict"], state(four, step)["state_dict"]
        for name, value in ours.items():
            assert torch.allclose(value, theirs[name], atol=1e-4, rtol=1e-4), name


def test_every_image_is_counted_once(one_and_four):
    """Six test images among four processes: the shares are not equal."""
    one, four = one_and_four
    results = json.loads((four / "results.json").read_text())
    for ours, theirs in zip(one.results["steps"], results["steps"], strict=True):
        for task, matrix in ours["confusions"].items():
            # Rows are true classes: they do not depend on what is predicted.
            assert np.sum(matrix, 1).tolist() == np.sum(theirs["confusions"][task], 1).tolist()


def test_a_process_that_dies_ends_all_and_another_number_goes_on(config, train, tmp_path):
    folder, whole = config
    whole = without(whole, train_cfg={"max_iters": 6}, save_interval=1)
    one = train("--steps", "0", file=write_config(folder / "lives.py", whole))
    two = without(whole, **{"train_dataloader.batch_size": 2})
    killer = tmp_path / "killer.py"
    killer.write_text(
        "import os, signal\n"
        "from mmengine.dist import get_rank\n"
        "from mmengine.hooks import Hook\n"
        "from mmengine.registry import HOOKS\n"
        "@HOOKS.register_module(force=True)\n"
        "class Killer(Hook):\n"
        "    def before_train_iter(self, runner, batch_idx, data_batch=None):\n"
        "        if get_rank() == 1 and runner.iter == 3:\n"
        "            os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    dying = changed(two, {
        "custom_hooks": [{"type": "Killer"}],
        "custom_imports": {"imports": ["killer"], "allow_failed_imports": False},
    })  # fmt: skip
    begun = time.monotonic()
    done = start(2, tmp_path / "work", write_config(folder / "dying.py", dying), "--steps", "0",
                 PYTHONPATH=str(tmp_path))  # fmt: skip
    assert done.returncode != 0
    assert "another process of this run ended" in done.stderr
    assert "SIGKILL" in done.stderr
    state_file = tmp_path / "work" / "step_00" / "resume.pth"
    # Between the death and the end of all lies less than a minute; the start is not counted.
    assert time.time() - state_file.stat().st_mtime < 60
    assert time.monotonic() - begun < 300
    assert load_plain(state_file)["iteration"] == 3
    shutil.copytree(tmp_path / "work", tmp_path / "by_one")
    resumed = train("--resume", "--steps", "0", file=folder / "lives.py",
                    work_dir=tmp_path / "by_one")  # fmt: skip
    for name, value in state(one.path, 0)["state_dict"].items():
        assert torch.allclose(value, state(resumed.path, 0)["state_dict"][name], atol=1e-3), name
