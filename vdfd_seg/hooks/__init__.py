"""MMEngine hooks of a continual step."""

from vdfd_seg.hooks.health_hook import LossHealthHook
from vdfd_seg.hooks.info_hook import DeferredInfoHook
from vdfd_seg.hooks.method_hook import MethodHook
from vdfd_seg.hooks.progress_hook import ProgressHook, progress
from vdfd_seg.hooks.seed_hook import IterationSeedHook
from vdfd_seg.hooks.state_hook import StepStateHook

__all__ = [
    "DeferredInfoHook",
    "IterationSeedHook",
    "LossHealthHook",
    "MethodHook",
    "ProgressHook",
    "StepStateHook",
    "progress",
]
