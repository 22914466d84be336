"""Files that are no checkpoints of this kind, or damaged: one message each, and no crash."""

import pytest
import torch
from mmengine.logging import HistoryBuffer

from vdfd_seg.errors import InputError
from vdfd_seg.utils.mmseg_checkpoint import load_untrusted


@pytest.mark.filterwarnings("ignore:'torch.load' received a zip file that looks like")
def test_formats_of_torch(tmp_path):
    path = tmp_path / "other.pth"
    torch.save({"weight": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    assert torch.equal(load_untrusted(path)["weight"], torch.ones(2))
    torch.save({"log": HistoryBuffer()}, path, _use_new_zipfile_serialization=False)
    with pytest.raises(InputError, match="it asks for mmengine.logging.history_buffer"):
        load_untrusted(path)
    torch.jit.save(torch.jit.script(torch.nn.Linear(1, 1)), path)
    with pytest.raises(InputError, match="no checkpoint of torch.save"):
        load_untrusted(path)


def test_archive_of_several_disks_is_one_message(tmp_path):
    """What ``zipfile.is_zipfile`` itself raises for; found by the fuzzer."""
    path = tmp_path / "foreign.pth"
    locator = b"PK\x06\x07" + bytes(4) + bytes(8) + (7).to_bytes(4, "little")
    path.write_bytes(bytes(100) + locator + b"PK\x05\x06" + bytes(18))
    with pytest.raises(InputError, match="damaged"):
        load_untrusted(path)
