"""Reading pickles of others: numeric arrays and builtin containers, and no code.

The globals that a pickled array names are answered by stand-ins written here, so that neither
NumPy's own reconstruction nor any other function is ever called with what the file holds.
(Torch's reader of weights knows neither Python 2's long strings nor other protocols than 2.)
Importing this module makes MMEngine and MMSegmentation read pickles and YAML so, too: lists of
images, class weights and medical images that a config names.
"""

import pickle
import re
from io import BytesIO
from types import SimpleNamespace
from typing import Any, BinaryIO, ClassVar

import mmseg.utils.io
import numpy as np
import yaml
from mmengine.fileio import PickleHandler, YamlHandler, register_handler

from vdfd_seg.errors import InputError

_NUMERIC = re.compile(r"b1|[iu][1248]|f[248]")


class _Dtype:
    """Stands in for :class:`numpy.dtype`, whose state could redefine a type for everybody."""

    def __init__(self, code: Any, align: object = False, copy: object = True):
        # Names are bytes in Python 2's pickles.
        self.code = code.decode("latin-1") if isinstance(code, bytes) else str(code)
        self.order = "="
        if not _NUMERIC.fullmatch(self.code):
            raise pickle.UnpicklingError(f"an array of type '{self.code}', which is not numeric")

    def __setstate__(self, state: tuple) -> None:
        order = state[1]
        self.order = order.decode("latin-1") if isinstance(order, bytes) else order

    def numpy(self) -> np.dtype:
        return np.dtype(self.order + self.code)


class _Array(np.ndarray):
    """An array of numbers."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        kind = dtype.numpy()
        # Checks that the bytes are as many as shape and type say.
        shape = np.frombuffer(data, kind).reshape(shape).shape
        # NumPy's stub asks for its own bool; the method takes Python's.
        super().__setstate__((1, shape, kind, bool(fortran), data))  # type: ignore[arg-type]


def _empty_array(kind: object, shape: object, code: object) -> _Array:
    return _Array((0,), np.uint8)


def _encode(text: str, encoding: object) -> bytes:
    """How Python 3 writes bytes in protocol 2."""
    if encoding != "latin1":
        raise pickle.UnpicklingError("a text in an encoding other than latin1")
    return text.encode("latin-1")


_GLOBALS = {
    "numpy.core.multiarray._reconstruct": _empty_array,
    "numpy._core.multiarray._reconstruct": _empty_array,
    "numpy.ndarray": "numpy.ndarray",
    "numpy.dtype": _Dtype,
    "_codecs.encode": _encode,
}


# The one in Python: five bytes make the one in C reserve gigabytes for its memo.
class _Unpickler(pickle._Unpickler):
    stack: list

    def find_class(self, module: str, name: str) -> object:
        wanted = f"{module}.{name}"
        if wanted not in _GLOBALS:
            raise pickle.UnpicklingError(f"it asks for the global '{wanted}'")
        return _GLOBALS[wanted]

    def load_build(self) -> None:
        # Not what pickle does: the attributes of functions could be set.
        state = self.stack.pop()
        if type(self.stack[-1]) not in (_Array, _Dtype):
            raise pickle.UnpicklingError("a state for something other than an array")
        self.stack[-1].__setstate__(state)

    dispatch: ClassVar[dict] = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}


def load_restricted(file: BinaryIO, name: str) -> object:
    """Read a pickle that holds numeric arrays, numbers, strings and builtin containers.

    Text that Python 2 wrote arrives as bytes. Nothing that the file names is imported or called.
    """
    try:
        return _Unpickler(file, encoding="bytes").load()
    except Exception as error:
        # A damaged pickle can make the unpickler's every instruction fail in its own way.
        raise InputError(
            f"{name}: damaged, no pickle, or one of other things than numeric arrays and builtin "
            f"containers ({error or type(error).__name__}); nothing of it was run. Use the "
            f"original file."
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
