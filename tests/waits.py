"""Counts where the processor would wait for a GPU."""

import traceback

from torch import Tensor
from torch import bool as boolean
from torch.utils._python_dispatch import TorchDispatchMode

READS = {
    "_local_scalar_dense", "nonzero", "masked_select", "_unique2", "unique_dim", "bincount",
    "unique_consecutive", "equal", "_linalg_check_errors",
}  # fmt: skip


class Waits(TorchDispatchMode):
    """Notes the operations whose result the processor must read: a GPU's queue runs empty there.

    Attributes:
        names: Of the operations within, with the innermost line outside torch.
    """

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.split("::")[1]
        indices = args[1] if name in ("index", "index_put_", "index_put") else ()
        masks = any(isinstance(i, Tensor) and i.dtype == boolean for i in indices)
        # Without it the length of the result is read.
        unsized = name == "repeat_interleave" and not (kwargs or {}).get("output_size")
        if name in READS or masks or unsized:
            frames = traceback.extract_stack()[:-1]
            outside = [frame for frame in frames if "/torch/" not in frame.filename]
            # An optimiser counts its steps in tensors of the CPU.
            if not any("/torch/optim/" in frame.filename for frame in frames[-4:]):
                self.names.append(f"{name} in {outside[-1].filename}:{outside[-1].lineno}")
        return function(*args, **(kwargs or {}))
