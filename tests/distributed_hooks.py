"""Hooks of runs by several processes, named in their configs by ``custom_imports``."""

import json
import os
import signal
from pathlib import Path

import torch
from mmengine.dist import all_reduce, get_dist_info
from mmengine.hooks import Hook

from vdfd_seg.hooks import seed_hook
from vdfd_seg.registry import HOOKS


@HOOKS.register_module()
class RecordLosses(Hook):
    """Writes the terms of each iteration's loss, averaged over the processes, a line each."""

    def __init__(self, path: str):
        self.path = Path(path)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        names = sorted(outputs)
        values = torch.stack([torch.as_tensor(outputs[name]).detach().mean() for name in names])
        all_reduce(values, "mean")
        if get_dist_info()[0] == 0:
            with self.path.open("a") as file:
                line = dict(zip(names, values.tolist(), strict=True))
                file.write(json.dumps({"step": Path(runner.work_dir).name, **line}) + "\n")


@HOOKS.register_module()
class KillProcess(Hook):
    """Ends a process by SIGKILL at the beginning of an iteration of a step."""

    def __init__(self, rank: int, step: int, at: int):
        self.rank, self.step, self.at = rank, f"step_{step:02d}", at

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        here = Path(runner.work_dir).name, runner.iter, get_dist_info()[0]
        if here == (self.step, self.at, self.rank):
            os.kill(os.getpid(), signal.SIGKILL)


@HOOKS.register_module()
class SameDraws(Hook):
    """Every process draws in an iteration what the first one draws."""

    def before_train(self, runner):
        seed_hook.get_rank = lambda: 0
