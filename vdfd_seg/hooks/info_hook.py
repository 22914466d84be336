"""Reads losses back from the device only where they are logged."""

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from torch import Tensor

from vdfd_seg.registry import HOOKS


@HOOKS.register_module()
class DeferredInfoHook(RuntimeInfoHook):
    """MMEngine's ``RuntimeInfoHook``, and ``clip_grad``'s norm, without waiting in each iteration.

    MMEngine turns every loss and the gradient's norm into a Python number in every iteration, for
    which the processor waits until the GPU is done. Here they stay on the device until the
    iteration in which ``LoggerHook`` writes; what is logged is the same.
    """

    def before_train(self, runner) -> None:
        """Find out when losses are logged, and keep the norm that clipping gives."""
        super().before_train(runner)
        loggers = [hook for hook in runner.hooks if isinstance(hook, LoggerHook)]
        self.interval = min((hook.interval for hook in loggers), default=10)
        self.waiting: list[tuple[str, Tensor]] = []
        wrapper = runner.optim_wrapper
        if getattr(wrapper, "clip_grad_kwargs", None):
            clip, name = wrapper.clip_func, f"train/{wrapper.grad_name}"

            def clip_and_keep(parameters, **kwargs):
                norm = clip(parameters, **kwargs)
                if norm is not None:
                    self._keep(name, norm)

            wrapper.clip_func = clip_and_keep

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Keep the losses; pass all of them on when the next hook logs."""
        for key, value in outputs.items():
            self._keep(f"train/{key}", value)
        last = runner.iter + 1 == runner.max_iters
        if not last and not self.every_n_inner_iters(batch_idx, self.interval):
            return
        # One copy for all of them.
        values = torch.stack([value.float().squeeze() for _, value in self.waiting]).tolist()
        for (name, _), value in zip(self.waiting, values, strict=True):
            runner.message_hub.update_scalar(name, value)
        self.waiting = []

    def _keep(self, name: str, value: Tensor) -> None:
        # Without its graph, which would hold the iteration's activations.
        self.waiting.append((name, value.detach()))
