"""Saves and restores the middle of a step."""

import os
import time
from pathlib import Path

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook

from vdfd_seg.checkpoint import save_plain
from vdfd_seg.errors import Stopped
from vdfd_seg.files import previous_state
from vdfd_seg.hooks.gradient_norms import non_finite_parameters
from vdfd_seg.hooks.learner import learner_of
from vdfd_seg.registry import HOOKS
from vdfd_seg.stopping import asked_to_stop


@HOOKS.register_module()
class StepStateHook(Hook):
    """Writes ``resume.pth`` and restores from it.

    Everything that training changes is in it: network with buffers, method,
    optimisers, schedulers and loss scaler, and the iteration. The state before it is
    kept as ``resume_previous.pth``. Where weights are no longer finite the file is not
    replaced: going on from it repeats what spoilt them. When a signal asks the run to
    stop, the state is saved after the iteration and
    :class:`~vdfd_seg.errors.Stopped` raised.

    Args:
        path: The file.
        interval: Iterations between saves; the last iteration is always saved. Under
            gradient accumulation a save waits for the optimiser's next update.
        tag: What the state belongs to; compared when resuming.
        state: The state to restore before the first iteration.
    """

    # After the parameter schedulers, so that what is saved is what the next
    # iteration starts from.
    priority = "LOWEST"

    def __init__(self, path: str, interval: int, tag: dict, state: dict | None = None):
        self.path = Path(path)
        self.interval = interval
        self.tag = tag
        self.state = state
        self.due = False
        self.stop = 0
        self.seconds = state["seconds"] if state else 0.0
        self.begun = time.perf_counter()

    def before_train(self, runner) -> None:
        """Restore the state, if there is one."""
        self.begun = time.perf_counter()
        if self.state is None:
            return
        learner_of(runner).load_state_dict(self.state["learner"])
        runner.optim_wrapper.load_state_dict(self.state["optimizer"])
        for scheduler, saved in zip(runner.param_schedulers, self.state["schedulers"], strict=True):
            scheduler.load_state_dict(saved)
        own = learner_of(runner).method.optimizer
        if own is not None:
            own.load_state_dict(self.state["method_optimizer"])
        runner.logger.info(f"resumed at iteration {self.state['iteration']}")
        self.state = None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Save every ``interval`` iterations and after the last."""
        done = runner.iter + 1
        self.due |= done % self.interval == 0 or done == runner.max_iters
        self.stop = self.stop or asked_to_stop(done)
        # Not between the iterations whose gradients are summed: those are not in the state.
        if not (self.due or self.stop) or not runner.optim_wrapper.should_update():
            return
        self.due = False
        # On all processes: a divided state is gathered from them.
        optimizer = runner.optim_wrapper.state_dict()
        if is_main_process():
            self._save(runner, done, optimizer)
        if self.stop:
            # The others wait until the file is there: a launcher ends all when one ends.
            barrier()
            raise Stopped(self.stop)

    def _save(self, runner, done: int, optimizer: dict) -> None:
        if non_finite_parameters(learner_of(runner)):
            runner.logger.warning(f"weights are not finite: '{self.path}' is not replaced")
            return
        if self.path.exists():
            os.replace(self.path, previous_state(self.path))
        own = learner_of(runner).method.optimizer
        save_plain(
            self.path,
            {
                "tag": self.tag,
                "iteration": done,
                "seconds": self.seconds + time.perf_counter() - self.begun,
                "learner": learner_of(runner).state_dict(),
                "optimizer": optimizer,
                "method_optimizer": own.state_dict() if own is not None else None,
                "schedulers": [s.state_dict() for s in runner.param_schedulers],
            },
        )
