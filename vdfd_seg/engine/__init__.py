"""The sequence over steps."""

from vdfd_seg.engine.input.settings import Settings, load_run
from vdfd_seg.engine.run.optim_wrapper import DeviceAmpOptimWrapper
from vdfd_seg.engine.run.sequence import train_sequence
from vdfd_seg.engine.run.testing import evaluate_checkpoints

__all__ = [
    "DeviceAmpOptimWrapper",
    "Settings",
    "evaluate_checkpoints",
    "load_run",
    "train_sequence",
]
