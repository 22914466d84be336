"""Reading pickles of others: numeric arrays and builtin containers, and no code.

The globals that a pickled array names are answered by stand-ins written here, so that neither
NumPy's own reconstruction nor any other function is ever called with what the file holds.
Importing this module makes MMEngine and MMSegmentation read pickles and YAML so, too: lists of
images, class weights and medical images that a config names.
"""

import math
import pickle
import re
from io import BytesIO
from types import SimpleNamespace
from typing import BinaryIO, ClassVar

import mmseg.utils.io
import numpy as np
import yaml
from mmengine.fileio import PickleHandler, YamlHandler, register_handler

from vdfd_seg.errors import InputError

_NUMERIC = re.compile(r"(b1|[iu][1248]|f[248])")
_BYTE_ORDERS = ("|", "<", ">", "=")
_MAX_DIMENSIONS = 32


class Refused(pickle.UnpicklingError):
    """What a pickle asks for and does not get."""


class _Array(np.ndarray):
    """An array that takes its state from a pickle only if the state is numeric and whole."""

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) != 5:
            raise Refused("an array whose state is not the usual five entries")
        _, shape, dtype, fortran, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes):
            raise Refused("an array that does not hold plain numbers")
        if (
            not isinstance(shape, tuple)
            or len(shape) > _MAX_DIMENSIONS
            or not all(type(side) is int and side >= 0 for side in shape)
        ):
            raise Refused("an array without a valid shape")
        dtype = dtype.numpy()
        if math.prod(shape) * dtype.itemsize != len(data):
            raise Refused(f"an array of shape {shape} and type {dtype} in {len(data)} bytes")
        # NumPy's stub asks for its own bool; the method takes Python's.
        super().__setstate__((1, shape, dtype, bool(fortran), data))  # type: ignore[arg-type]


class _Dtype:
    """A numeric type: stands in for :class:`numpy.dtype`, whose state could redefine it."""

    __slots__ = ("code", "order")

    def __init__(self, code: object):
        code = _text(code)
        if not _NUMERIC.fullmatch(code):
            raise Refused(f"an array of type '{code}', which is not numeric")
        self.code, self.order = code, "="

    def __setstate__(self, state: object) -> None:
        if not isinstance(state, tuple) or len(state) < 5 or state[2:5] != (None, None, None):
            raise Refused("an array of a structured type")
        self.order = _text(state[1])
        if self.order not in _BYTE_ORDERS:
            raise Refused(f"an array of byte order '{self.order}'")

    def numpy(self) -> np.dtype:
        return np.dtype(self.order + self.code)


def _text(value: object) -> str:
    """Names are bytes in Python 2's pickles."""
    if not isinstance(value, str | bytes):
        raise Refused("an array type without a name")
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _make_array(kind: object, shape: object, code: object) -> _Array:
    """Stands in for NumPy's ``_reconstruct``; the array is empty until its state comes."""
    if kind is not _NDARRAY:
        raise Refused("an array of a class of its own")
    return _Array((0,), np.uint8)


def _make_dtype(code: object, align: object = False, copy: object = True) -> _Dtype:
    return _Dtype(code)


def _encode(text: object, encoding: object) -> bytes:
    """Stands in for ``_codecs.encode``: how Python 3 writes bytes in protocol 2."""
    if not isinstance(text, str) or encoding not in ("latin1", b"latin1"):
        raise Refused("a text in an encoding other than latin1")
    return text.encode("latin-1")


_NDARRAY = "numpy.ndarray"
_GLOBALS = {
    "numpy.core.multiarray._reconstruct": _make_array,
    "numpy._core.multiarray._reconstruct": _make_array,
    "numpy.dtype": _make_dtype,
    "_codecs.encode": _encode,
    _NDARRAY: _NDARRAY,
}


# The one in Python: five bytes make the one in C reserve gigabytes for its memo.
class _Unpickler(pickle._Unpickler):
    stack: list

    def find_class(self, module: str, name: str) -> object:
        wanted = f"{module}.{name}"
        if wanted not in _GLOBALS:
            raise Refused(f"the global '{wanted}'")
        return _GLOBALS[wanted]

    def load_build(self) -> None:
        # Not what pickle does: the attributes of functions could be set.
        state = self.stack.pop()
        if type(self.stack[-1]) not in (_Array, _Dtype):
            raise Refused("a state for something other than an array")
        self.stack[-1].__setstate__(state)

    dispatch: ClassVar[dict] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}


def load_restricted(file: BinaryIO, name: str) -> object:
    """Read a pickle that holds numeric arrays, numbers, strings and builtin containers.

    Text that Python 2 wrote arrives as bytes. Nothing that the file names is imported or called.

    Args:
        file: The open binary file.
        name: What to call it in messages.

    Returns:
        The object.

    Raises:
        InputError: Anything else in the pickle, or a file that is damaged or no pickle.
    """
    try:
        return _Unpickler(file, encoding="bytes").load()
    except Refused as error:
        raise InputError(
            f"{name}: this pickle asks for {error}; only numeric arrays and builtin containers "
            "are read, and nothing of it was run. Use the original file."
        ) from None
    except Exception as error:
        # A damaged pickle can make the unpickler's every instruction fail in its own way.
        raise InputError(
            f"{name}: damaged, truncated or not a pickle ({error or type(error).__name__}); "
            "fetch it again."
        ) from error


@register_handler(["pickle", "pkl"])
class RestrictedPickleHandler(PickleHandler):
    """What ``mmengine.load`` reads pickles with."""

    def load_from_fileobj(self, file: BinaryIO, **kwargs) -> object:
        """As :func:`load_restricted`."""
        return load_restricted(file, "a pickle that the config names")


@register_handler(["yaml", "yml"])
class RestrictedYamlHandler(YamlHandler):
    """What ``mmengine.load`` reads YAML with: MMEngine's default loader calls what a file names."""

    def load_from_fileobj(self, file, **kwargs) -> object:
        """Plain values, and tuples."""
        return super().load_from_fileobj(file, Loader=yaml.FullLoader)


def _loads(content: bytes) -> object:
    return load_restricted(BytesIO(content), "a pickle that a transform reads")


# MMSegmentation's transforms of medical images take decode_backend="pickle".
mmseg.utils.io.pickle = SimpleNamespace(loads=_loads)
