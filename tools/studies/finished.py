"""A finished run, opened to measure something of its networks."""

from pathlib import Path
from typing import Any

from torch import nn

from vdfd_seg.engine import open_data, set_up
from vdfd_seg.engine.input.settings import load_run
from vdfd_seg.engine.networks import finished_network
from vdfd_seg.utils.checkpoint import load_step
from vdfd_seg.utils.paths import step_name


class FinishedRun:
    """The data of a classification run, its checkpoints and its networks.

    Args:
        config: Its config: a file, or a name as in train.
        work_dir: Where its checkpoints are.
        options: Changes to the config.

    Attributes:
        data: What :func:`~vdfd_seg.engine.input.data.open_data` gives.
        protocol: The protocol.
        loader: The config of the loader that evaluation uses.
        saved: The checkpoint of each step.

    Raises:
        InputError: For another problem than classification, or a checkpoint that is missing or
            damaged.
    """

    def __init__(self, config: str, work_dir: Path, options: dict | None = None):
        set_up()
        settings = load_run(config, options=options)
        settings.protocol.check_problem("this study", "classification")
        self._model = settings.config.model
        self.data = open_data(settings)
        self.protocol = settings.protocol
        self.loader: dict = settings.config.test_dataloader
        steps = range(len(self.protocol.tasks))
        self.saved: list[dict[str, Any]] = [
            load_step(work_dir / step_name(step) / "checkpoint.pth") for step in steps
        ]

    def network(self, step: int, **changed: Any) -> nn.Module:
        """The network after a step, in evaluation mode; ``changed`` are other values of tensors."""
        state = {**self.saved[step]["state_dict"], **changed}
        return finished_network(self._model, self.protocol.task_sizes(step), state)
