"""Python's garbage collector, kept from where there is nothing to collect."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_kept = False


@contextmanager
def collections_off() -> Iterator[None]:
    """Within, no collection starts by itself."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@contextmanager
def present_objects_kept() -> Iterator[None]:
    """Within, a collection does not look through the objects that are here already.

    With all modules imported these are half a second's work. Inside another such block nothing
    more is kept.
    """
    global _kept
    # Not gc.get_freeze_count(), which counts them one by one.
    if _kept:
        yield
        return
    _kept = True
    gc.freeze()
    try:
        yield
    finally:
        _kept = False
        gc.unfreeze()
