"""Saves and restores an unfinished step."""

import os
import time
from pathlib import Path

from mmengine.dist import barrier, is_main_process
from mmengine.hooks import Hook

from vdfd_seg.errors import Stopped
from vdfd_seg.hooks.gradient_norms import non_finite_parameters
from vdfd_seg.models import learner_of
from vdfd_seg.utils.checkpoint import save_plain
from vdfd_seg.utils.files import previous_state
from vdfd_seg.utils.signals import asked_to_stop


class StepStateHook(Hook):
    """Writes ``resume.pth`` and restores from it.

    Everything that training changes is in it: network with buffers, method,
    optimisers, schedulers and loss scaler, and the iteration. The state before it is
    kept as ``resume_previous.pth``. When weights are no longer finite the file is not
    replaced, so that the iterations that broke them can be repeated. When a signal asks the
    run to stop, the state is saved after the iteration and
    :class:`~vdfd_seg.errors.Stopped` raised.

    Args:
        path: The file.
        interval: Iterations between saves; the last iteration is always saved. Under
            gradient accumulation a save waits for the optimiser's next update.
        tag: What the state belongs to; compared when resuming.
        state: The state to restore before the first iteration.
        seconds: Of training before this start, what the method prepared included.
    """

    # After the parameter schedulers, so that what is saved is what the next
    # iteration starts from.
    priority = "LOWEST"

    def __init__(
        self,
        path: str | Path,
        interval: int,
        tag: dict,
        state: dict | None = None,
        seconds: float = 0.0,
    ):
        self.path = Path(path)
        self.interval = interval
        self.tag = tag
        self.state = state
        self.due = False
        self.stop = 0
        self.seconds = seconds
        self.begun = time.perf_counter()

    def before_train(self, runner) -> None:
        """Restore the state, if there is one."""
        self.begun = time.perf_counter()
        if self.state is not None:
            restore(self.state, learner_of(runner), runner.optim_wrapper, runner.param_schedulers)
            runner.logger.info(f"resumed at iteration {self.state['iteration']}")
            self.state = None

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Save every ``interval`` iterations and after the last."""
        done = runner.iter + 1
        last = done == runner.max_iters
        self.due |= done % self.interval == 0 or last
        self.stop = self.stop or asked_to_stop(done, last)
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
        save_plain(
            self.path,
            {
                "tag": self.tag,
                "iteration": done,
                "seconds": self.seconds + time.perf_counter() - self.begun,
                **state_of(learner_of(runner), optimizer, runner.param_schedulers),
            },
        )


def state_of(learner, optimizer: dict, schedulers: list) -> dict:
    """All that training changes; ``optimizer`` is a state, which processes may share."""
    own = learner.method.optimizer
    return {
        "learner": learner.state_dict(),
        "optimizer": optimizer,
        "method_optimizer": own.state_dict() if own is not None else None,
        # A function among it (OneCycleLR's) is the config's.
        "schedulers": [
            {k: v for k, v in s.state_dict().items() if not callable(v)} for s in schedulers
        ],
    }


def restore(state: dict, learner, optim_wrapper, schedulers: list) -> None:
    """Bring back what :func:`state_of` returned."""
    learner.load_state_dict(state["learner"])
    optim_wrapper.load_state_dict(state["optimizer"])
    for scheduler, saved in zip(schedulers, state["schedulers"], strict=True):
        scheduler.load_state_dict(saved)
    own = learner.method.optimizer
    if own is not None:
        own.load_state_dict(state["method_optimizer"])
