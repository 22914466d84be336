"""Calls a method around each update of the optimiser."""

from mmengine.hooks import Hook
from torch.optim import Optimizer

from vdfd_seg.hooks.learner import learner_of
from vdfd_seg.registry import HOOKS


@HOOKS.register_module()
class MethodHook(Hook):
    """Runs ``Method.around_backward``, and ``before_update`` and ``after_update`` around updates.

    The method's own optimiser, if it has one, steps with the network's, and its learning rate
    follows the same schedule.

    The calls around updates hang on the optimiser itself: under gradient accumulation and loss
    scaling they come once per update, with gradients already averaged and unscaled.
    """

    def before_train(self, runner) -> None:
        """Register with the optimiser."""
        learner = learner_of(runner)
        method, adapter = learner.method, learner.adapter
        optimizer = runner.optim_wrapper.optimizer
        self.backward = runner.optim_wrapper.backward

        def backward(loss, **kwargs):
            with method.around_backward():
                self.backward(loss, **kwargs)

        def before(*_):
            method.before_update(adapter)

        def after(*_):
            if method.optimizer is not None:
                _follow(method.optimizer, optimizer)
                method.optimizer.step()
                method.optimizer.zero_grad()
            method.after_update(adapter, optimizer.param_groups[0]["lr"])

        # Before the optimiser clips; and MMEngine has no hook between the two.
        runner.optim_wrapper.backward = backward
        self.handles = [
            optimizer.register_step_pre_hook(before),
            optimizer.register_step_post_hook(after),
        ]

    def after_train(self, runner) -> None:
        """Leave the optimiser."""
        runner.optim_wrapper.backward = self.backward
        for handle in self.handles:
            handle.remove()


def _follow(own: Optimizer, network: Optimizer) -> None:
    """Multiply the learning rates by what the schedule has made of the network's."""
    # Groups that do not learn (lr_mult=0) say nothing about the schedule.
    group = max(network.param_groups, key=_full_rate)
    factor = group["lr"] / (_full_rate(group) or 1.0)
    for group in own.param_groups:
        group["lr"] = factor * group.setdefault("initial_lr", group["lr"])


def _full_rate(group: dict) -> float:
    # Schedules write down what they start from; OneCycleLR starts low and writes down its peak.
    return group.get("max_lr", group.get("initial_lr", group["lr"]))
