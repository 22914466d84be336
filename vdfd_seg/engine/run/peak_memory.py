"""Peak memory of a part of a run, from ``/proc``: ``psutil`` has none that can be reset."""

import re
import sys
from pathlib import Path

import torch
from mmengine.device import get_device
from mmengine.dist import all_reduce

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


class PeakMemory:
    """The peak of memory since its construction.

    Attributes:
        of: What is counted. ``"GPU"``: what PyTorch allocated on this process's GPU. On a CPU
            resident memory of this process with the interpreter and all libraries, without the
            data loader's workers: ``"process"`` where the system lets the mark be reset (Linux),
            else ``"process since its start"``.
    """

    def __init__(self):
        if get_device() == "cuda":
            self.of = "GPU"
            torch.cuda.reset_peak_memory_stats()
        else:
            self.of = "process" if _reset() else "process since its start"

    def read(self) -> int:
        """Bytes at the peak so far, the maximum over all processes; each of them must call this."""
        if self.of == "GPU":
            found = torch.cuda.max_memory_allocated()
        elif self.of == "process":
            found = _status("VmHWM")
        else:
            import resource

            found = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            # In KiB, except on macOS.
            found *= 1 if sys.platform == "darwin" else 1024
        count = torch.tensor(found)
        all_reduce(count, op="max")
        return int(count)


def _reset() -> bool:
    """Reset the peak of resident memory to the present value; returns whether that worked."""
    try:
        CLEAR.write_text("5")
        # Some sandboxes take the order and do nothing. The kernel counts in batches.
        return _status("VmHWM") - _status("VmRSS") < 2**22
    except (OSError, ValueError):
        return False


def _status(key: str) -> int:
    (found,) = re.findall(rf"^{key}:\s+(\d+)", STATUS.read_text(), re.MULTILINE)
    return 1024 * int(found)
