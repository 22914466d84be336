"""When Python looks for garbage, and among what."""

import gc

import pytest

from vdfd_seg.utils.garbage import present_objects_kept
from vdfd_seg.utils.installation import quiet_imports


def test_imports_are_not_interrupted():
    assert gc.isenabled()
    with pytest.raises(ImportError), quiet_imports():
        with quiet_imports():
            assert not gc.isenabled()
        assert not gc.isenabled()
        raise ImportError
    assert gc.isenabled()


def test_objects_are_kept_until_the_outermost_block_ends():
    with present_objects_kept():
        kept = gc.get_freeze_count()
        assert kept > 1000
        held = [[] for _ in range(1000)]
        # None is added; some that are kept may go by themselves.
        with present_objects_kept():
            assert 1000 < gc.get_freeze_count() <= kept
        assert 1000 < gc.get_freeze_count() <= kept
    assert gc.get_freeze_count() == 0
    assert held
