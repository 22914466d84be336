"""What one of two processes, or one alone, gets from every method; run by pytest itself.

``PAIR_FOLDER`` is where each process writes its outcome; started by ``test_contract_pair.py``.
"""

import os
from pathlib import Path

import pytest
import torch
from mmengine.dist import get_dist_info
from torch import nn

from tests.methods.test_contract import CASES, tensors
from vdfd_seg.hooks.gradient_norms import term_gradients


@pytest.fixture(scope="session")
def process():
    """The process group, where there is one: rank and number of processes."""
    if "RANK" in os.environ:
        meeting = f"file://{os.environ['PAIR_FOLDER']}/meeting"
        rank = int(os.environ["RANK"])
        torch.distributed.init_process_group("gloo", meeting, rank=rank, world_size=2)
    yield get_dist_info()
    if "RANK" in os.environ:
        torch.distributed.destroy_process_group()


def share(step, rank, world):
    """The process's part of the batch: every image has as many labelled pixels as any other."""
    count = len(step.inputs) // world * world
    own = slice(rank, count, world)
    if isinstance(step.samples, list):
        return step.inputs[own], step.samples[own]
    parts = {
        key: None if value is None else value[own] for key, value in vars(step.samples).items()
    }
    return step.inputs[own], type(step.samples)(**parts)


def wrapped(learner, world):
    if world == 1:
        return learner
    from mmengine.model import MMDistributedDataParallel

    return MMDistributedDataParallel(learner, device_ids=None, broadcast_buffers=False)


@pytest.mark.parametrize(("name", "case"), CASES)
def test_outcome(process, begin, train, end, tiny_classification, name, case):
    rank, world = process
    data = None if case == "segmentation" else tiny_classification(case)
    first = begin({"type": name}, data=data)
    train(first)
    step = begin({"type": name}, 1, end(first), data=data)
    train(step, updates=1)
    step.learner.zero_grad()
    for module in step.network.modules():
        # Statistics over a batch and dropout's masks depend on the process.
        if isinstance(module, (nn.modules.batchnorm._BatchNorm, nn.modules.dropout._DropoutNd)):
            module.eval()
    inputs, samples = share(step, rank, world)
    model = wrapped(step.learner, world)
    total, terms = step.learner.parse_losses(model(inputs, samples, mode="loss"))
    # Must not disturb the reduction.
    term_gradients(step.learner, terms)
    total.backward()
    named = step.learner.named_parameters()
    gradients = {key: p.grad.clone() for key, p in named if p.grad is not None}
    step.method.before_update(step.adapter)
    torch.optim.SGD(step.network.parameters(), lr=0.01).step()
    step.method.after_update(step.adapter, 0.01)
    carried = list(tensors(end(step).carried))
    torch.save(
        {"loss": total.detach(), "gradients": gradients, "carried": carried},
        Path(os.environ["PAIR_FOLDER"]) / f"{name}_{case}_{rank}_{world}.pth",
    )
