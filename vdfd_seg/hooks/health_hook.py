"""Stops training when a loss is no longer finite."""

import torch
from mmengine.hooks import Hook

from vdfd_seg.registry import HOOKS


class NonFiniteLossError(RuntimeError):
    """A term of the loss is NaN or infinite."""


@HOOKS.register_module()
class LossHealthHook(Hook):
    """Checks every term of the loss and names the first that is not finite.

    Args:
        interval: Iterations between checks; each check waits for the device. The
            last iteration is always checked.
    """

    priority = "HIGH"

    def __init__(self, interval: int = 10):
        self.interval = interval

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Check the losses just computed.

        Raises:
            NonFiniteLossError: Naming the terms.
        """
        last = runner.iter + 1 == runner.max_iters
        if not last and not self.every_n_train_iters(runner, self.interval):
            return
        values = {k: torch.as_tensor(v).detach() for k, v in (outputs or {}).items()}
        bad = [k for k, v in values.items() if not v.isfinite().all()]
        terms = [name for name in bad if name != "loss"] or bad
        if terms:
            raise NonFiniteLossError(
                f"the loss term{'s' if len(terms) > 1 else ''} {', '.join(terms)} became "
                f"non-finite at iteration {runner.iter + 1}; lower the learning rate or the "
                f"term's weight, clip gradients, or train without --amp."
            )
