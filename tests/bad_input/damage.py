"""Ways to damage a checkpoint or to plant a call in it, and the check of a message."""

import os

import torch

from vdfd_seg.utils.checkpoint import load_step, save_plain


class Evil:
    """Makes a folder where it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


def assert_says(message, *words):
    missing = [word for word in words if word not in message]
    assert not missing, message


def rewrite(path, change):
    """Change a checkpoint's content; its digest is right again."""
    content = load_step(path)
    change(content)
    save_plain(path, content)


def flip(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def foreign(path):
    torch.save({"state_dict": {"weight": torch.zeros(1)}}, path)


def other_protocol(path):
    def change(content):
        content["meta"]["fingerprint"] = "0123456789abcdef"
        content["meta"]["history"]["setting"] = "disjoint"

    rewrite(path, change)


def other_method(path):
    rewrite(path, lambda content: content["method"].update(type="VDFD"))


def of_no_step(path):
    save_plain(path, {"state_dict": {}})
