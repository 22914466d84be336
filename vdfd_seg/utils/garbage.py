"""Python's garbage collector, kept from where there is nothing to collect."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_kept = False


@contextmanager
def collections_off() -> Iterator[None]:
    """Within, no collection starts by itself.

    What is there at the end counts as old, as if it had outlived collections. Otherwise the next
    two would look through all of it, a quarter of a second after imports.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.freeze()
            if not _kept:
                # Into the oldest generation, whichever it came from.
                gc.unfreeze()
            gc.enable()


@contextmanager
def present_objects_kept() -> Iterator[None]:
    """Within, a collection does not look through the objects that are here already.

    With all modules imported these are half a second's work. Another such block inside adds what
    has come since; all are kept until the outermost ends.
    """
    global _kept
    outermost, _kept = not _kept, True
    gc.freeze()
    try:
        yield
    finally:
        if outermost:
            _kept = False
            gc.unfreeze()
