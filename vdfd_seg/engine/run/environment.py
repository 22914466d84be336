"""Set-up of the process, and clean-up between two Runners."""

import ctypes
import gc
import importlib.metadata
import os
import platform
import sys
import warnings
from typing import Any

import cv2
import torch
from mmengine.device import get_device
from mmengine.dist import init_dist, is_distributed
from mmengine.logging import MessageHub, MMLogger
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer
from mmseg.utils import register_all_modules

from vdfd_seg.datasets.image_files import set_image_limit
from vdfd_seg.errors import InputError
from vdfd_seg.utils.installation import quiet_imports
from vdfd_seg.version import __version__


def set_up(launcher: str = "none") -> None:
    """Register modules and start the process group, of torchrun (``"pytorch"``) or ``"slurm"``."""
    # Whatever loads a checkpoint in this process or its workers, libraries' backbones too, asks
    # torch in the end. Who trusts the files of a library sets the variable to 0.
    if "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD" not in os.environ:
        os.environ.setdefault("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "1")
    with quiet_imports():
        register_all_modules(init_default_scope=True)
    cv2.setNumThreads(0)
    _keep_freed_memory()
    # For every image that the run reads, whether its index is cached or not.
    set_image_limit()
    # MMEngine's wrapper says it so; nothing here goes wrong before PyTorch takes it away.
    warnings.filterwarnings("ignore", ".*broadcast_buffers", FutureWarning)
    if launcher != "none" and not is_distributed():
        needed = {"pytorch": "RANK", "slurm": "SLURM_PROCID"}[launcher]
        if needed not in os.environ:
            raise InputError(
                f"--launcher {launcher} needs the environment variable {needed}, which is not set: "
                f"start with tools/dist_train.sh (torchrun) or tools/slurm_train.sh (srun)."
            )
        if torch.cuda.is_available():
            init_dist(launcher, backend="nccl", init_backend="torch")
        elif launcher == "slurm":
            raise InputError("--launcher slurm needs GPUs; on CPUs start with tools/dist_train.sh.")
        else:
            # MMEngine's own start gives every process a GPU.
            torch.distributed.init_process_group("gloo")


def _keep_freed_memory() -> None:
    """Let glibc's allocator keep what is freed for what comes next, up to 64 MiB.

    These are the thresholds that it comes to by itself when a tensor of 32 MiB is freed. Where all
    are smaller, it returns memory to the system after every batch, and getting the pages back
    costs up to a tenth of a pass over images.
    """
    chosen = {"GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"}
    if chosen.isdisjoint(os.environ) and (mallopt := _of_glibc("mallopt")):
        trim_threshold, mmap_threshold = -1, -3  # malloc.h
        mallopt(mmap_threshold, 32 * 2**20)
        mallopt(trim_threshold, 64 * 2**20)


def _of_glibc(name: str) -> Any:
    """A function of the C library; None where it has none of that name, as others than glibc."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def forget_runner() -> None:
    """Close a finished Runner's log files and forget its global instances.

    MMEngine assumes one run a process: without this, the next step's scalars and
    log lines go to the last step's folder.
    """
    for kind in (MMLogger, MessageHub, Visualizer, DefaultScope):
        for manager in _kinds(kind):
            for instance in list(manager._instance_dict.values()):
                if isinstance(instance, MMLogger):
                    for handler in list(instance.handlers):
                        handler.close()
                        instance.removeHandler(handler)
                elif isinstance(instance, Visualizer):
                    instance.close()
            manager._instance_dict.clear()
    init_default_scope("mmseg")


def _kinds(kind: type[ManagerMixin]):
    yield kind
    for sub in kind.__subclasses__():
        yield from _kinds(sub)


def release_memory() -> None:
    """Give back what a finished step has left, before the next one takes its own.

    A Runner and its hooks refer to each other, so the step's networks and optimisers stay until
    garbage is collected. glibc's allocator then keeps the freed memory, in pieces that the next
    step does not quite fit, unless it is told to return them to the system.
    """
    gc.collect()
    if trim := _of_glibc("malloc_trim"):
        trim(0)


def describe() -> dict[str, str]:
    """Versions and hardware, for results and reports."""
    device = get_device()
    modules = {name: name for name in ("torch", "mmengine", "mmcv")}
    modules |= {"mmsegmentation": "mmseg", "opencv": "cv2"}
    return {
        "vdfd_seg": __version__,
        "python": platform.python_version(),
        **{name: importlib.import_module(of).__version__ for name, of in modules.items()},
        # Which takes long to import.
        "torch_geometric": importlib.metadata.version("torch_geometric"),
        "device": torch.cuda.get_device_name() if device == "cuda" else device,
        "cpu_threads": str(torch.get_num_threads()),
        "processes": os.environ.get("WORLD_SIZE", "1"),
        "system": platform.platform(),
    }
