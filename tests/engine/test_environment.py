"""What one step leaves for the next."""

import gc
import weakref

from vdfd_seg.engine.run.environment import release_memory


class Holder:
    """Holds itself, as a Runner and its hooks hold each other."""

    def __init__(self):
        self.other = self


def test_what_holds_itself_is_released():
    gc.disable()
    try:
        seen = weakref.ref(Holder())
        assert seen() is not None
        release_memory()
        assert seen() is None
    finally:
        gc.enable()
