"""A divided optimiser's state is saved whole, and restored in the same and in one process."""

from types import SimpleNamespace

import torch
import torch.distributed as dist
from torch import nn

from tests.group import in_group
from vdfd_seg.hooks import StepStateHook

ZERO = {"type": "ZeroRedundancyOptimizer", "optimizer_type": "Adam", "lr": 0.01}
PLAIN = {"type": "Adam", "lr": 0.01}


class Learner(nn.Module):
    """Layers of uneven size, with gradients that follow from the iteration alone."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.network = nn.Sequential(nn.Linear(5, 9), nn.Linear(9, 2), nn.Linear(2, 1))
        self.method = SimpleNamespace(optimizer=None)


def runner_of(optimizer):
    from mmengine.optim import build_optim_wrapper

    learner = Learner()
    wrapper = build_optim_wrapper(
        learner.network, {"type": "OptimWrapper", "optimizer": dict(optimizer)}
    )
    quiet = SimpleNamespace(info=lambda text: None, warning=lambda text: None)
    return SimpleNamespace(
        model=learner, optim_wrapper=wrapper, param_schedulers=[], logger=quiet, max_iters=4, iter=0
    )


def iterate(runner, hook, numbers):
    for runner.iter in numbers:
        generator = torch.Generator().manual_seed(runner.iter)
        for parameter in runner.model.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        runner.optim_wrapper.optimizer.step()
        if hook is not None:
            hook.after_train_iter(runner, 0)
    return {name: value.clone() for name, value in runner.model.state_dict().items()}


def go_on(path):
    """The weights after all four iterations, of which two are restored."""
    from vdfd_seg.utils.checkpoint import load_plain

    runner = runner_of(ZERO)
    with torch.no_grad():
        for parameter in runner.model.parameters():
            parameter.zero_()
    StepStateHook(path, 2, {}, load_plain(path)).before_train(runner)
    return iterate(runner, None, (2, 3))


def save_and_go_on(path):
    hook = StepStateHook(path, 2, {})
    runner = runner_of(ZERO)
    iterate(runner, hook, (0, 1))
    dist.barrier()
    whole = iterate(runner, None, (2, 3))
    held = len(runner.optim_wrapper.optimizer.optim.state)
    return {"whole": whole, "resumed": go_on(path), "held": held}


def test_divided_state(tmp_path, registered_modules):
    expected = iterate(runner_of(PLAIN), None, range(4))
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    path = tmp_path / "resume.pth"
    found = in_group(save_and_go_on, 2, meeting, str(path))
    # Six parameters, each process has the state of some.
    held = [each["held"] for each in found]
    assert sum(held) == 6 and all(held)
    saved = torch.load(path, weights_only=True)["optimizer"]
    assert sorted(saved["state"]) == list(range(6))
    dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    try:
        alone = go_on(str(path))
    finally:
        dist.destroy_process_group()
    runs = [each[key] for each in found for key in ("whole", "resumed")]
    for run in (*runs, alone):
        assert run.keys() == expected.keys()
        for name, value in expected.items():
            assert torch.equal(run[name], value), name
