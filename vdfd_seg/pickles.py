"""What the readers of pickles share that let no pickle run anything."""

import pickle
from collections.abc import Callable


class Refused(pickle.UnpicklingError):
    """What a pickle asks for and does not get."""


class FixedFunction:
    """A callable that a pickle cannot change: a plain function's attributes could be set.

    Args:
        call: What it calls.
    """

    __slots__ = ("_call",)

    def __init__(self, call: Callable):
        self._call = call

    def __call__(self, *args: object) -> object:
        """Call it."""
        return self._call(*args)

    def __setstate__(self, state: object) -> None:
        """Refuse what a pickle would set."""
        raise Refused("a function with a state")
