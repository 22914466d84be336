"""A progress bar instead of log lines."""

import sys

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from tqdm import tqdm

from vdfd_seg.registry import HOOKS


@HOOKS.register_module()
class ProgressHook(Hook):
    """Shows the iterations of a step as one bar, with the loss.

    Without a terminal it prints a line every ten seconds.
    """

    def before_train(self, runner) -> None:
        """Open the bar."""
        self.bar = progress(runner.max_iters, "training", "it", initial=runner.iter)

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None) -> None:
        """Advance it."""
        # Reading the loss waits for the device: only where it is shown.
        if self.bar.update():
            self.bar.set_postfix(loss=f"{float(outputs['loss'].detach()):.3f}")

    def after_train(self, runner) -> None:
        """Close it."""
        self.bar.close()


def progress(total: int, description: str, unit: str, initial: int = 0) -> tqdm:
    """A bar on stderr; only the main process shows it."""
    return tqdm(
        total=total,
        initial=initial,
        desc=description,
        unit=unit,
        disable=not is_main_process(),
        mininterval=0.2 if sys.stderr.isatty() else 10,
        dynamic_ncols=True,
    )
