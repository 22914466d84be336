"""The sequence over steps."""

from vdfd_seg.engine.optim_wrapper import DeviceAmpOptimWrapper
from vdfd_seg.engine.sequence import train_sequence
from vdfd_seg.engine.settings import Settings, load_settings

__all__ = ["DeviceAmpOptimWrapper", "Settings", "load_settings", "train_sequence"]
