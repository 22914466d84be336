"""The same memory and loss on 1, 2 and 4 processes with uneven shards."""

import pytest
import torch
import torch.distributed as dist

from tests.distillation import plain
from tests.distillation.test_estimator import estimated
from tests.group import in_group
from vdfd_seg.distillation import VariationalDistillationLoss, penalisable_parameters

# Shards of seven images; on four processes one sees none.
SHARDS = {
    1: [[0, 1, 2, 3, 4, 5, 6]],
    2: [[0, 1, 2, 3, 4], [5, 6]],
    4: [[0], [1, 2, 3, 4], [], [5, 6]],
}


def estimate(processes):
    rank = dist.get_rank() if processes > 1 else 0
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
    gradient = params["stem.weight"].grad
    return {"memory": memory.to_state(), "loss": loss().detach(), "gradient": gradient}


@pytest.mark.parametrize("processes", [2, 4])
def test_several_processes_agree_with_one(tmp_path, processes):
    expected = estimate(1)
    for found in in_group(estimate, processes, tmp_path, processes):
        assert found["memory"]["images"] == 7
        assert found["memory"]["unreached"] == expected["memory"]["unreached"]
        for part in ("left", "right"):
            for name, value in expected["memory"][part].items():
                close(found["memory"][part][name], value)
        close(found["memory"]["projection_star"], expected["memory"]["projection_star"])
        close(found["loss"], expected["loss"])
        close(found["gradient"], expected["gradient"])


def close(actual, expected):
    assert (actual - expected).norm() <= 1e-6 * expected.norm()
