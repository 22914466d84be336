"""Runs by several processes, and what they leave."""

import torch

from tests.python_process import one_thread_environment, run_python
from tests.tiny import changed


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


def start(processes, work_dir, file, *arguments):
    """A run by several processes that has ended, in whatever way."""
    return run_python(
        "tools/dist_run.py", "--standalone", f"--nproc_per_node={processes}", "tools/train.py",
        file, "--work-dir", work_dir, "--launcher", "pytorch", *arguments,
        timeout=300, env=one_thread_environment(),
    )  # fmt: skip


def several(processes, work_dir, file, *arguments):
    """The folder of a run by several processes that succeeded."""
    done = start(processes, work_dir, file, *arguments)
    assert done.returncode == 0, done.stderr[-4000:]
    return work_dir


def of_processes(whole, count, losses=None, kill=None, **changes):
    """The config for several processes with the total batch of one; see distributed_hooks.py."""
    hooks = [{"type": "vdfd_seg.RecordLosses", "path": str(losses)}] if losses else []
    hooks += [{"type": "vdfd_seg.KillProcess", **kill}] if kill else []
    return changed(
        whole,
        {
            "train_dataloader.batch_size": whole["train_dataloader"]["batch_size"] // count,
            "custom_imports": {"imports": ["tests.distributed_hooks"]},
            "custom_hooks": hooks,
            **changes,
        },
    )


def same_weights(ours, theirs):
    """Sums in another order: weights agree to 1e-4."""
    assert ours.keys() == theirs.keys()
    for name, value in ours.items():
        assert torch.allclose(value, theirs[name], atol=1e-4, rtol=1e-4), name
