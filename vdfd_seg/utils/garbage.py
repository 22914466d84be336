"""Python's garbage collector, kept from what lives as long as the process."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def present_objects_kept() -> Iterator[None]:
    """Within, a collection does not look through the objects that are here already.

    With all modules imported these are half a second's work.
    """
    if gc.get_freeze_count():
        yield
        return
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
