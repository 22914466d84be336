"""MMEngine's Runner, once a step in one process."""

import logging

from mmengine.logging import MMLogger
from mmengine.runner import Runner


class SaidOnce(logging.Filter):
    """Lets what every Runner says while it is built through to the terminal once a process.

    The machine, the order of the hooks and the like take a hundred lines and are the same in
    every step: over twenty steps what matters would be lost among them. The log file of each step
    has them all.
    """

    BEGINNINGS = (
        "\n" + "-" * 60 + "\nSystem environment:",
        "Config:\n",
        "Distributed training is not used",
        "Hooks will be executed in the following order",
    )

    def __init__(self):
        super().__init__()
        self.said: set[str] = set()

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is something else, or the first of its kind."""
        text = str(record.msg)
        kind = next((start for start in self.BEGINNINGS if text.startswith(start)), None)
        if kind is None:
            return True
        first = kind not in self.said
        self.said.add(kind)
        return first


_said_once = SaidOnce()


class StepRunner(Runner):
    """A Runner whose terminal output repeats nothing that an earlier one's said."""

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger, with a filter on what writes to the terminal."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            if not isinstance(handler, logging.FileHandler):
                handler.addFilter(_said_once)
        return logger
