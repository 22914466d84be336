"""Calls a method around each update of the optimiser."""

import torch
from mmengine.hooks import Hook
from torch.optim import Optimizer

from vdfd_seg.models import learner_of


class MethodHook(Hook):
    """Runs ``Method.around_backward``, and ``before_update`` and ``after_update`` around updates.

    The method's own optimiser, if it has one, steps with the network's, and its learning rate
    follows the same schedule.

    The calls around updates are attached to the optimiser itself: under gradient accumulation and
    loss scaling they come once per update, with gradients already averaged and unscaled. An update
    that loss scaling skips, because a gradient is not finite, is skipped for both optimisers.
    """

    def before_train(self, runner) -> None:
        """Register with the optimiser."""
        learner = learner_of(runner)
        method, adapter = learner.method, learner.adapter
        optimizer = runner.optim_wrapper.optimizer
        wrapper = runner.optim_wrapper
        self.backward = wrapper.backward

        def backward(loss, **kwargs):
            with method.around_backward():
                self.backward(loss, **kwargs)

        def before(*_):
            method.before_update(adapter)

        def after(*_):
            if method.optimizer is not None:
                _unscale(method.optimizer, getattr(wrapper, "loss_scaler", None))
                _follow(method.optimizer, optimizer)
                method.optimizer.step()
                method.optimizer.zero_grad()
            method.after_update(adapter, optimizer.param_groups[0]["lr"])

        # Before the optimiser clips; and MMEngine has no hook between the two.
        wrapper.backward = backward
        self.handles = [
            optimizer.register_step_pre_hook(before),
            optimizer.register_step_post_hook(after),
        ]

    def after_train_iter(self, runner, *_args, **_kwargs) -> None:
        """Drop the gradients of an update that loss scaling has skipped."""
        own = learner_of(runner).method.optimizer
        if own is not None and runner.optim_wrapper.should_update():
            own.zero_grad()

    def after_train(self, runner) -> None:
        """Leave the optimiser."""
        runner.optim_wrapper.backward = self.backward
        for handle in self.handles:
            handle.remove()


def _unscale(own: Optimizer, scaler) -> None:
    """Divide gradients by the scale of the loss, as the scaler does with the network's."""
    parameters = [p for group in own.param_groups for p in group["params"]]
    gradients = [p.grad for p in parameters if p.grad is not None]
    if scaler is not None and scaler.is_enabled() and gradients:
        # Asked for as a number it would be waited for.
        torch._foreach_div_(gradients, scaler.scale(torch.ones((), device=gradients[0].device)))


def _follow(own: Optimizer, network: Optimizer) -> None:
    """Scale the learning rates as the schedule has scaled the network's."""
    # Groups that do not learn (lr_mult=0) say nothing about the schedule.
    group = max(network.param_groups, key=_full_rate)
    factor = group["lr"] / (_full_rate(group) or 1.0)
    for group in own.param_groups:
        group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


def _full_rate(group: dict) -> float:
    # Schedules write down what they start from; OneCycleLR starts low and writes down its peak.
    return group.get("max_lr", group.get("initial_lr", group["lr"]))
