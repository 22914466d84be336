"""Damaged files to everything that reads files: a value or one message, and nothing run.

Files that are right are damaged in many ways (bits, bytes, pieces cut out, doubled or exchanged,
pickles changed inside archives whose checksums hold, calls of functions planted in pickles), and
read. Anything but a value or an ``InputError`` is a defect, and so is a planted call that ran, or
a reader that takes more than :data:`SLOW` seconds or :data:`LARGE` bytes. ``FUZZ_FILES=100000`` in
the environment makes it a long run.
"""

import io
import json
import os
import pickle
import random
import resource
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.bad_input.damage import Evil
from vdfd_seg.datasets.conversion.restricted_pickle import load_restricted
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import load_results
from vdfd_seg.models.pretrained import load_pretrained
from vdfd_seg.utils.checkpoint import STEP_FORMAT, load_plain, load_step, save_plain
from vdfd_seg.utils.mmseg_checkpoint import classes_of, load_untrusted, weights_of

COUNT = int(os.environ.get("FUZZ_FILES", "600"))
SLOW = 20.0
LARGE = 2**29


def peak_memory() -> int:
    """The most bytes that this process ever held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def read_foreign(path):
    """As ``adopt`` reads."""
    content = load_untrusted(path)
    classes_of(content)
    weights_of(content, path)


def read_restricted(path):
    """As the converter of CIFAR-100 reads."""
    with open(path, "rb") as file:
        load_restricted(file, str(path))


def seeds(folder: Path) -> list[tuple[bytes, object, str]]:
    """Files that are right, with what reads them and a name."""
    path = folder / "seed"
    step = {
        "state_dict": {"w": torch.arange(12.0).view(3, 4), "n": torch.tensor(3)},
        "meta": {"format": STEP_FORMAT, "step": 0, "dataset_meta": {"classes": ["a", "b"]}},
        "method": {"type": "VDFD", "state": {"memories": [{"left": {"w": torch.ones(2)}}]}},
    }
    save_plain(path, step)
    checkpoint = path.read_bytes()
    backbone = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    torch.save(backbone.state_dict(), path)
    weights = path.read_bytes()
    log = {"log": np.float64(3.5), "weight": torch.arange(6.0)}
    torch.save({"state_dict": {"w": torch.ones(2, 2)}, "meta": log}, path)
    foreign = path.read_bytes()
    batch = {b"data": np.arange(12, dtype=np.uint8).reshape(3, 4), b"fine_labels": [1, 2, 3],
             b"names": [b"a", "b"], b"number": 2.5}  # fmt: skip
    results = json.dumps(
        {"schema": 1, "method": "x", "matrix": [[1.0]], "steps": [], "digest": "0"}
    )
    return [
        (checkpoint, load_plain, "checkpoint"),
        (checkpoint, load_step, "step"),
        (weights, lambda path: load_pretrained(backbone, path), "initial weights"),
        (foreign, read_foreign, "foreign checkpoint"),
        *[(pickle.dumps(batch, p), read_restricted, f"pickle {p}") for p in (0, 2, 4)],
        (results.encode(), load_results, "results"),
    ]


def damage(content: bytes, rng: random.Random) -> bytes:
    """Another file, by one to four changes."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not changed:
            break
        place, length = rng.randrange(len(changed)), rng.randint(1, 32)
        piece = changed[place : place + length]
        kind = rng.randrange(7)
        if kind == 0:
            changed[place] ^= 1 << rng.randrange(8)
        elif kind == 1:
            changed[place] = rng.choice(b"\x00\x01\x7f\x80\xffRcbt.(}]qhXBC\x8a\x93\x94")
        elif kind == 2:
            del changed[place : place + length]
        elif kind == 3:
            changed[place:place] = piece
        elif kind == 4:
            other = rng.randrange(len(changed))
            changed[other : other + len(piece)] = piece
        elif kind == 5:
            changed = changed[:place]
        else:
            changed[place : place + length] = rng.randbytes(length)
    return bytes(changed)


def damage_inside(content: bytes, rng: random.Random, trace: Path) -> bytes:
    """An archive with its pickle changed or exchanged, all checksums right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    name = next(name for name in parts if name.endswith("data.pkl"))
    if rng.random() < 0.3:
        parts[name] = plant(parts[name], rng, trace)
    else:
        parts[name] = damage(parts[name], rng)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for entry, data in parts.items():
            archive.writestr(entry, data)
    return file.getvalue()


def plant(content: bytes, rng: random.Random, trace: Path) -> bytes:
    """A pickle with a call in it: alone, in a dictionary, or before what was there."""
    protocol = rng.choice((0, 2, 4))
    call = rng.choice((Evil(trace), {"state_dict": Evil(trace)}, [1, Evil(trace)]))
    planted = pickle.dumps(call, protocol)
    if rng.random() < 0.4:
        # POP throws the call's result away, and the first pickle continues; its frames are dropped.
        planted = pickle.dumps(call, 2)[:-1] + b"0" + content[2 if content[:1] == b"\x80" else 0 :]
    return planted


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_are_a_value_or_a_message(tmp_path, seed):
    rng, kinds, refused = random.Random(seed), seeds(tmp_path), 0
    trace, path = tmp_path / "executed", tmp_path / "fuzzed"
    for number in range(COUNT):
        content, read, name = kinds[number % len(kinds)]
        archive = content[:2] == b"PK"
        if archive and rng.random() < 0.6:
            content = damage_inside(content, rng, trace)
        elif "pickle" in name and rng.random() < 0.3:
            content = plant(content, rng, trace)
        else:
            content = damage(content, rng)
        path.write_bytes(content)
        started, before = time.monotonic(), peak_memory()
        about = f"{name}, file {number}"
        try:
            read(path)
        except InputError as error:
            assert str(path) in str(error), f"{about}: a message without the file: {error}"
            refused += 1
        except Exception as error:
            raise AssertionError(f"{about}: {error!r}") from error
        assert time.monotonic() - started < SLOW, about
        assert peak_memory() - before < LARGE, about
        assert not trace.exists(), f"{about}: a planted call ran"
    assert COUNT / 3 < refused < COUNT
