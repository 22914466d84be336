"""The sequence over steps."""

from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.input.settings import Settings, load_run
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.engine.run.optimisation import DeviceAmpOptimWrapper
from vdfd_seg.engine.run.sequence import train_sequence
from vdfd_seg.engine.run.testing import evaluate_checkpoints

__all__ = [
    "DeviceAmpOptimWrapper",
    "Settings",
    "evaluate_checkpoints",
    "load_run",
    "open_data",
    "set_up",
    "train_sequence",
]
