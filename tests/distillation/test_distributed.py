"""The same memory and loss on 1, 2 and 4 processes with uneven shards."""

import multiprocessing

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from tests.distillation import plain
from tests.distillation.test_estimator import estimated
from vdfd_seg.distillation import VariationalDistillationLoss, penalisable_parameters

# Shards of seven images; on four processes one sees none.
SHARDS = {
    1: [[0, 1, 2, 3, 4, 5, 6]],
    2: [[0, 1, 2, 3, 4], [5, 6]],
    4: [[0], [1, 2, 3, 4], [], [5, 6]],
}


def estimate(rank, processes):
    module = plain.zoo().double()
    params = penalisable_parameters(module, exclude=["head"])
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(7, 3, 8, 8, generator=generator, dtype=torch.float64)
    shard = [images[index : index + 1] for index in SHARDS[processes][rank]]
    estimator = estimated(module, params, shard, range(4))
    prototypes = module.head.weight.detach().flatten(1)
    memory = estimator.compute(prototypes=prototypes)
    with torch.no_grad():
        for parameter in params.values():
            parameter.add_(0.01)
    torch.manual_seed(0)
    loss = VariationalDistillationLoss([memory], params)
    loss().backward()
    return memory, loss().detach(), params["stem.weight"].grad


def worker(rank, folder):
    torch.set_num_threads(1)
    for processes in (4, 2):
        if rank >= processes:
            return
        address = f"file://{folder}/meeting_{processes}"
        dist.init_process_group("gloo", init_method=address, rank=rank, world_size=processes)
        memory, loss, gradient = estimate(rank, processes)
        result = {"memory": memory.to_state(), "loss": loss, "gradient": gradient}
        torch.save(result, f"{folder}/{processes}_{rank}.pth")
        dist.destroy_process_group()


def test_one_two_and_four_processes_agree(tmp_path):
    # One clean process imports the package and is forked: four imports would take longest.
    multiprocessing.set_forkserver_preload(["vdfd_seg.distillation"])
    mp.start_processes(worker, (str(tmp_path),), nprocs=4, start_method="forkserver")
    memory, loss, gradient = estimate(0, 1)
    assert memory.images == 7
    for processes in (2, 4):
        for rank in range(processes):
            found = torch.load(tmp_path / f"{processes}_{rank}.pth", weights_only=True)
            assert found["memory"]["images"] == 7
            assert found["memory"]["unreached"] == memory.unreached
            for part in ("left", "right"):
                for name, value in getattr(memory, part).items():
                    close(found["memory"][part][name], value)
            close(found["memory"]["projection_star"], memory.projection_star)
            close(found["loss"], loss)
            close(found["gradient"], gradient)


def close(actual, expected):
    assert (actual - expected).norm() <= 1e-6 * expected.norm()
