"""Hooks of a continual step, run by MMEngine's Runner on a model of two parameters."""

import random
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import nn

from vdfd_seg.hooks import IterationSeedHook, MethodHook, StepStateHook


def test_randomness_is_a_function_of_iteration_seed_and_process(monkeypatch):
    def drawn(iteration, seed=1, rank=0):
        monkeypatch.setattr("vdfd_seg.hooks.seed_hook.get_rank", lambda: rank)
        IterationSeedHook(seed).before_train_iter(SimpleNamespace(iter=iteration), 0)
        return random.random(), np.random.rand(), torch.rand(1).item()

    draws = [drawn(5), drawn(6), drawn(5, seed=2), drawn(5, rank=1)]
    assert drawn(5) == draws[0]
    for generator in zip(*draws, strict=True):
        assert len(set(generator)) == 4


class Recorder(nn.Module):
    """A method with a parameter that notes when it is called."""

    optimizer = None

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.calls = []

    def around_backward(self):
        return nullcontext()

    def before_update(self, adapter):
        self.calls.append(("before", adapter.weight.detach().clone(), adapter.weight.grad.clone()))

    def after_update(self, adapter, learning_rate):
        self.calls.append(("after", adapter.weight.detach().clone(), learning_rate))


class Learner(BaseModel):
    def __init__(self):
        super().__init__()
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.ones_(self.network.weight)
        self.method = Recorder()
        self.adapter = self.network

    def forward(self, inputs, mode="loss"):
        output = self.network(inputs) * self.method.scale
        return {"loss": ((output - inputs - 1) ** 2).mean()}


def with_own_optimizer(learner):
    """Give the method an optimiser of its parameter; the rates it has stepped with."""
    rates = []
    own = learner.method.optimizer = torch.optim.Adam(learner.method.parameters(), lr=0.3)
    own.register_step_pre_hook(lambda *_: rates.append(own.param_groups[0]["lr"]))
    return learner, rates


class Scaled(OptimWrapper):
    """MMEngine's AmpOptimWrapper, which asks for a GPU, without autocast."""

    def __init__(self, optimizer, scale):
        super().__init__(optimizer)
        self.loss_scaler = torch.amp.GradScaler(
            "cpu", enabled=scale is not None, init_scale=scale or 1
        )

    def backward(self, loss):
        self.loss_scaler.scale(loss).backward()
        self._inner_count += 1

    def step(self):
        self.loss_scaler.step(self.optimizer)
        self.loss_scaler.update()


@pytest.fixture
def train(registered_modules, tmp_path):
    """Train a learner by a Runner with some hooks."""
    from mmengine.runner import Runner

    from vdfd_seg.engine.run.environment import forget_runner

    def run(hooks, iterations=6, optim=(), learner=None, schedule=None):
        learner = learner or Learner()
        numbers = [{"inputs": torch.tensor([float(number)])} for number in range(6)]
        runner = Runner(
            learner,
            str(tmp_path / "runs"),
            train_dataloader=dict(
                dataset=numbers, batch_size=2, sampler=dict(type="InfiniteSampler"),
                collate_fn=dict(type="default_collate"),
            ),
            train_cfg=dict(by_epoch=False, max_iters=iterations),
            optim_wrapper=dict(
                type="OptimWrapper", optimizer=dict(type="SGD", lr=0.1, momentum=0.9), **dict(optim)
            ),
            param_scheduler=schedule or [dict(type="PolyLR", by_epoch=False, end=12, power=1.0)],
            default_hooks=dict(checkpoint=None, sampler_seed=None, logger=None, timer=None),
            custom_hooks=hooks,
            log_level="ERROR",
            default_scope="mmseg",
            experiment_name=f"run{random.random()}",
        )  # fmt: skip
        runner.train()
        forget_runner()
        return learner

    return run


class TestMethodHook:
    def test_is_called_around_each_update(self, train):
        calls = train([MethodHook()], iterations=3).method.calls
        assert [call[0] for call in calls] == ["before", "after"] * 3
        for before, after in zip(calls[::2], calls[1::2], strict=True):
            assert not torch.equal(before[1], after[1])
            assert before[2].abs().sum() > 0
        rates = [call[2] for call in calls[1::2]]
        assert rates == pytest.approx([0.1, 0.1 * 10 / 11, 0.1 * 9 / 11])

    def test_once_per_update_of_several_iterations_with_clipped_gradients(self, train):
        optim = dict(accumulative_counts=3, clip_grad=dict(max_norm=1e-3))
        calls = train([MethodHook()], iterations=6, optim=optim).method.calls
        assert [call[0] for call in calls] == ["before", "after"] * 2
        assert all(call[2].norm() <= 1.01e-3 for call in calls[::2])

    @pytest.mark.parametrize(
        ("schedule", "factors"),
        [
            # The released recipe of VDFD: both halved at the milestones.
            ([dict(type="MultiStepLR", milestones=[2, 4], gamma=0.5)],
             [1, 1, 0.5, 0.5, 0.25, 0.25]),
            ([dict(type="LinearLR", start_factor=0.5, end=3),
              dict(type="MultiStepLR", milestones=[4], gamma=0.1)], [0.5, 0.75, 1, 1, 0.1, 0.1]),
        ],
    )  # fmt: skip
    def test_rate_of_the_methods_optimiser_follows_the_networks(self, train, schedule, factors):
        learner, rates = with_own_optimizer(Learner())
        schedule = [{**each, "by_epoch": False} for each in schedule]
        train([MethodHook()], learner=learner, schedule=schedule)
        assert rates == pytest.approx([0.3 * factor for factor in factors])

    def test_parameters_that_do_not_learn_say_nothing_of_the_schedule(self, train):
        learner, rates = with_own_optimizer(Learner())
        learner.network.bias = nn.Parameter(torch.zeros(1))
        paramwise = dict(paramwise_cfg=dict(custom_keys={"weight": dict(lr_mult=0.0)}))
        schedule = [dict(type="MultiStepLR", milestones=[1], gamma=0.5, by_epoch=False)]
        train([MethodHook()], 2, learner=learner, optim=paramwise, schedule=schedule)
        assert rates == pytest.approx([0.3, 0.15])

    @pytest.mark.parametrize("scale", [None, 1024.0])
    def test_the_methods_gradients_are_unscaled_as_the_networks(self, scale):
        """A loss that is not finite is an update of neither, and leaves no gradient behind."""
        learner = Learner()
        own = learner.method.optimizer = torch.optim.SGD(learner.method.parameters(), lr=0.1)
        wrapper = Scaled(torch.optim.SGD(learner.network.parameters(), lr=0.1), scale)
        hook, runner = MethodHook(), SimpleNamespace(model=learner, optim_wrapper=wrapper)
        hook.before_train(runner)
        weight, factor = learner.network.weight, learner.method.scale

        def update(slope):
            wrapper.update_params(slope * (3 * weight.sum() + 2 * factor))
            hook.after_train_iter(runner, 0)

        update(1.0)
        assert (weight.item(), factor.item()) == pytest.approx((0.7, 0.8))
        if scale is None:
            return
        update(torch.inf)
        assert (weight.item(), factor.item()) == pytest.approx((0.7, 0.8))
        update(1.0)
        assert (weight.item(), factor.item()) == pytest.approx((0.4, 0.6))
        assert own.param_groups[0]["params"][0].grad is None


def test_weights_that_are_not_finite_do_not_replace_those_that_are(train, tmp_path):
    path = tmp_path / "resume.pth"
    train([StepStateHook(path, 100, {"step": 1}, None)], 2)
    before = path.read_bytes()
    spoilt = Learner()
    spoilt.network.weight.data.fill_(float("nan"))
    train([StepStateHook(path, 100, {"step": 1}, None)], 4, learner=spoilt)
    assert path.read_bytes() == before
