"""Counts what would start on a GPU."""

from torch.utils._python_dispatch import TorchDispatchMode

NO_KERNEL = {
    "view", "_unsafe_view", "detach", "expand", "split", "split_with_sizes", "t", "transpose",
    "unsqueeze", "squeeze", "permute", "empty", "new_empty", "as_strided", "alias", "slice",
    "diagonal", "select", "_record_function_enter_new", "_record_function_exit",
}  # fmt: skip
"""Operations that look at memory in another way, or reserve it, and start no kernel."""


class Kernels(TorchDispatchMode):
    """Names of the operations within that start a kernel on a GPU, forward and backward.

    An operation counts once, whatever it starts: mostly one kernel. One over all parameters
    (``cat``, ``_foreach_add_``) starts one for some hundred tensors, the factoring of matrices
    several.
    """

    def __init__(self):
        super().__init__()
        self.names: list[str] = []

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        name = function._schema.name.split("::")[1]
        if name not in NO_KERNEL:
            self.names.append(name)
        return function(*args, **(kwargs or {}))
