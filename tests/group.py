"""Functions called in the processes of a gloo group on this machine."""

import multiprocessing
from pathlib import Path

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def in_group(function, processes: int, folder: Path, *arguments) -> list:
    """What ``function(*arguments)`` returns in each process, by rank.

    Args:
        function: Of a module that can be imported; what it returns must be plain tensors,
            numbers, lists and dicts.
        processes: How many.
        folder: An empty folder, where they meet.
        arguments: Of the function.
    """
    # One clean process imports the package and is forked: an import each would take longest.
    multiprocessing.set_forkserver_preload(["vdfd_seg.engine"])
    given = (function, processes, str(folder), arguments)
    mp.start_processes(_member, given, nprocs=processes, start_method="forkserver")
    return [torch.load(folder / f"{rank}.pth", weights_only=True) for rank in range(processes)]


def _member(rank, function, processes, folder, arguments):
    torch.set_num_threads(1)
    meeting = f"file://{folder}/meeting"
    dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=processes)
    torch.save(function(*arguments), f"{folder}/{rank}.pth")
    dist.destroy_process_group()
