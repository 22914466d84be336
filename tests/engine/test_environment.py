"""What a run sets for its process, and what one step leaves for the next."""

import gc
import weakref

from PIL import Image

from vdfd_seg.engine.run.environment import release_memory, set_up


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


def test_the_limit_on_images_is_set_for_the_whole_run(monkeypatch):
    """A class index that is cached reads no image, and would not set it."""
    monkeypatch.setenv("VDFD_SEG_MAX_PIXELS", "100")
    set_up()
    assert Image.MAX_IMAGE_PIXELS == 50
