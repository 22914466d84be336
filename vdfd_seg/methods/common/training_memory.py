"""The memory that a method holds while a step trains: what Python's garbage collector reaches."""

import gc
from types import FunctionType, ModuleType
from typing import Any

import numpy as np
from torch import Tensor, nn

from vdfd_seg.methods.common.context import TaskContext

Memory = dict[tuple[str, int], int]
"""Bytes of each block of memory, by device and address."""


def held_bytes(method: Any, network: nn.Module) -> int:
    """Bytes of all tensors and arrays that can be reached from a method while a step trains.

    Everything counts that the method reaches in buffers, lists, dicts, objects or closures,
    declared or not: the old network, copies of weights, memories, its own parameters and the state
    of their optimiser. A block of memory counts once and whole, however many tensors share it. The
    trained network does not count, nor do gradients, the context of the step, numbers and strings.
    """
    trained, held = _memory(network), _memory(method)
    return sum(size for block, size in held.items() if block not in trained)


def _memory(root: Any) -> Memory:
    found: Memory = {}
    # With the objects: an id is another's once its object is gone.
    seen, waiting = {}, [root]
    while waiting:
        item = waiting.pop()
        if id(item) in seen:
            continue
        seen[id(item)] = item
        if isinstance(item, Tensor):
            found.update(_blocks(item))
        elif isinstance(item, np.ndarray):
            found.update(_array(item))
        elif isinstance(item, FunctionType):
            # Not its globals.
            waiting += [item.__defaults__, item.__kwdefaults__, item.__closure__, item.__dict__]
        elif not isinstance(item, (type, ModuleType, TaskContext)):
            waiting += gc.get_referents(item)
    return found


def _blocks(tensor: Tensor) -> Memory:
    if tensor.is_sparse:
        return {**_blocks(tensor._indices()), **_blocks(tensor._values())}
    storage = tensor.untyped_storage()
    return {(str(tensor.device), storage.data_ptr()): storage.nbytes()}


def _array(array: np.ndarray) -> Memory:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return {("cpu", array.__array_interface__["data"][0]): array.nbytes}
