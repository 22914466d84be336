"""Logs the gradient of each term of the loss, and stops when something is not finite."""

from collections.abc import Mapping

import torch
from mmengine.hooks import Hook
from torch import Tensor

from vdfd_seg.errors import InputError
from vdfd_seg.hooks.gradient_norms import non_finite_parameters, term_gradients
from vdfd_seg.models import ContinualLearner, learner_of
from vdfd_seg.registry import HOOKS

ADVICE = "lower the learning rate or the term's weight, clip gradients, or train without --amp."
LOOK_CLOSER = (
    "to see which term it was, continue from the last save with --resume and --cfg-options "
    "default_hooks.loss_health.gradient_interval=1: the same iterations follow, and the first "
    "term with a gradient that is not finite is named."
)


class NonFiniteLossError(RuntimeError):
    """A term of the loss or its gradient, or a weight, is NaN or infinite."""


@HOOKS.register_module()
class LossHealthHook(Hook):
    """Logs the gradient norm of each term of the loss, and checks that all is finite.

    The norms of :func:`~vdfd_seg.hooks.gradient_norms.term_gradients` are logged as ``grad/TERM``
    (the term's value is in the log as ``TERM``), before clipping. It takes a backward pass for each
    term. Training is not changed: accumulated gradients, random state, batch statistics and
    gradient reduction stay the same. Under distributed training the norms are those of the main
    process's share of the batch, and each process checks its own share.

    In measured iterations, a value or a gradient that is not finite stops training before it
    reaches the weights. In others, the value or the weights are found soon after. Under float16
    gradients are those of the scaled loss, and an overflow is left to the scaler.

    Every step has this hook. ``default_hooks=dict(loss_health=dict(gradient_interval=100))``
    changes it, ``default_hooks=dict(loss_health=None)`` removes it.

    Args:
        interval: Iterations between checks of the values and the weights; each check waits for
            the device. The last iteration is always checked.
        gradient_interval: Iterations between measurements of the gradients; 0 for none. The
            first iteration of a step is measured too. The default is about 0.2 % of the time
            with two terms. The graph is kept until all terms are measured, which needs memory
            for one more set of gradients.
    """

    priority = "HIGH"

    def __init__(self, interval: int = 10, gradient_interval: int = 500):
        if interval < 1 or gradient_interval < 0:
            raise InputError(
                f"LossHealthHook: interval={interval} must be at least 1, "
                f"gradient_interval={gradient_interval} at least 0."
            )
        self.interval = interval
        self.gradient_interval = gradient_interval

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        """Ask the learner for its terms in the iterations that are measured."""
        done, every = runner.iter + 1, self.gradient_interval
        if every and (done == 1 or done % every == 0):
            learner = learner_of(runner)
            learner.on_terms = lambda terms: self._measure(runner, learner, terms)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Check the losses just computed, and the weights; the error names what is not finite."""
        learner_of(runner).on_terms = None
        last = runner.iter + 1 == runner.max_iters
        if not last and not self.every_n_train_iters(runner, self.interval):
            return
        self._check_values(runner, outputs or {})
        spoilt = non_finite_parameters(learner_of(runner))
        if spoilt:
            raise NonFiniteLossError(
                f"parameter '{spoilt[0]}' ({len(spoilt)} in all) became non-finite in or before "
                f"the update of iteration {runner.iter + 1}, though every term of the loss is "
                f"finite; {LOOK_CLOSER}"
            )

    def _check_values(self, runner, terms):
        values = {k: torch.as_tensor(v).detach() for k, v in terms.items()}
        bad = [k for k, v in values.items() if not v.isfinite().all()]
        names = [name for name in bad if name != "loss"] or bad
        if names:
            # Where the weights are NaN all terms are: none of these is to blame.
            advice = LOOK_CLOSER if non_finite_parameters(learner_of(runner)) else ADVICE
            raise NonFiniteLossError(
                f"the loss term{'s' if len(names) > 1 else ''} {', '.join(names)} became "
                f"non-finite at iteration {runner.iter + 1}; {advice}"
            )

    def _measure(self, runner, learner: ContinualLearner, terms: Mapping[str, Tensor]) -> None:
        self._check_values(runner, terms)
        done = runner.iter + 1
        scaler = getattr(runner.optim_wrapper, "loss_scaler", None)
        scale = float(scaler.get_scale()) if scaler is not None else 1.0
        try:
            found = term_gradients(learner, terms, scale)
        except RuntimeError as error:
            if "checkpoint" not in str(error):
                raise
            self.gradient_interval = 0
            runner.logger.warning(
                "gradients of single terms cannot be measured with reentrant activation "
                "checkpointing (with_cp=True); this step continues without."
            )
            return
        bad = [name for name, (_, finite) in found.items() if not finite]
        if bad and scaler is None:
            raise NonFiniteLossError(
                f"the gradient of the loss term{'s' if len(bad) > 1 else ''} {', '.join(bad)} "
                f"became non-finite at iteration {done}, "
                f"{'their values are' if len(bad) > 1 else 'its value is'} finite; {ADVICE}"
            )
        norms = {name: norm for name, (norm, finite) in found.items() if finite}
        if norms:
            runner.visualizer.add_scalars({f"grad/{k}": v for k, v in norms.items()}, step=done)
        shown = [f"{name} {norm:.4g}" for name, norm in norms.items()]
        shown += [f"{name} overflows at loss scale {scale:g}" for name in bad]
        runner.logger.info(f"gradient norms at iteration {done}: {', '.join(shown)}")
