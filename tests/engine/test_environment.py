"""What a run sets for its process."""

import platform
import resource

import pytest
import torch
from PIL import Image

from vdfd_seg.engine.run import environment
from vdfd_seg.engine.run.environment import set_up


def test_the_limit_on_images_is_set_for_the_whole_run(monkeypatch):
    """A class index that is cached reads no image, and would not set it."""
    monkeypatch.setenv("VDFD_SEG_MAX_PIXELS", "100")
    set_up()
    assert Image.MAX_IMAGE_PIXELS == 50


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="a setting of glibc's allocator")
@pytest.mark.slow  # Other load on the machine can take pages away.
def test_freed_memory_is_used_again(monkeypatch):
    """Unless the user has set when it goes back to the system."""

    def pages():
        """New pages while the same memory is taken and freed."""
        faults = []
        for _ in range(4):
            before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
            held = [torch.ones(2**20) for _ in range(8)]
            del held
            faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
        return faults[-1]

    asked: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr(environment, "_of_glibc", asked.append)
        patch.setenv("MALLOC_TRIM_THRESHOLD_", str(2**17))
        set_up()
    assert asked == []
    set_up()
    assert pages() < 500
