"""What a run sets for its process."""

from PIL import Image

from vdfd_seg.engine.run.environment import set_up


def test_the_limit_on_images_is_set_for_the_whole_run(monkeypatch):
    """A class index that is cached reads no image, and would not set it."""
    monkeypatch.setenv("VDFD_SEG_MAX_PIXELS", "100")
    set_up()
    assert Image.MAX_IMAGE_PIXELS == 50
