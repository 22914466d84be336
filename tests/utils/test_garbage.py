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
        made: list = [[]]
        raise ImportError
    assert gc.isenabled()
    assert any(item is made for item in gc.get_objects(generation=2))


def test_objects_are_kept_until_the_outermost_block_ends():
    with present_objects_kept():
        kept = gc.get_freeze_count()
        assert kept > 1000
        held = [[] for _ in range(1000)]
        # Some that are kept may go by themselves.
        with present_objects_kept():
            added = gc.get_freeze_count()
            assert added > kept + 900
        assert gc.get_freeze_count() > added - 100
    assert gc.get_freeze_count() == 0
    assert held
