"""Automatic mixed precision on any device."""

from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import AmpOptimWrapper, OptimWrapper

from vdfd_seg.errors import InputError
from vdfd_seg.registry import OPTIM_WRAPPERS

DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16}


@OPTIM_WRAPPERS.register_module()
class DeviceAmpOptimWrapper(OptimWrapper):
    """An optimiser wrapper that autocasts on the CPU too.

    MMEngine's ``AmpOptimWrapper`` asserts a GPU. On a GPU with float16 the loss
    is scaled as there; bfloat16 needs no scaling and works on the CPU as well.

    Args:
        dtype: ``"bfloat16"`` or ``"float16"`` (GPU only).
        **kwargs: Those of mmengine's ``OptimWrapper``.

    Raises:
        InputError: For another dtype, or float16 without a GPU.
    """

    def __new__(cls, dtype: str = "bfloat16", **kwargs):
        if dtype not in DTYPES:
            raise InputError(f"optim_wrapper.dtype '{dtype}' is not one of {tuple(DTYPES)}.")
        if dtype == "float16":
            if get_device() == "cpu":
                raise InputError("optim_wrapper.dtype='float16' needs a GPU; use 'bfloat16'.")
            return AmpOptimWrapper(dtype=dtype, loss_scale="dynamic", **kwargs)
        return super().__new__(cls)

    def __init__(self, dtype: str = "bfloat16", **kwargs):
        super().__init__(**kwargs)
        self.dtype = DTYPES[dtype]
        self.device = get_device()

    @contextmanager
    def optim_context(self, model):
        """Autocast the forward pass."""
        with super().optim_context(model), torch.autocast(self.device, self.dtype):
            yield
