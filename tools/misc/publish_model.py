#!/usr/bin/env python3
"""A step's checkpoint to pass on: what predicting needs, with the file's hash in its name.

What the method carries to later steps is left out (unless it predicts with it), and so are the
config's text and where images lie, which may name folders of the machine. ``infer``, ``export``,
``test`` and ``train --init-from`` take the file; a sequence cannot be resumed from it. The name
ends in the first eight digits of the file's SHA-256, as PyTorch's downloads check it.

Usage: python tools/misc/publish_model.py WORK_DIR [--step K] --out NAME.pth
"""

import argparse
import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.cli.arguments import add_checkpoint_arguments
from vdfd_seg.errors import InputError
from vdfd_seg.utils.installation import quiet_imports
from vdfd_seg.utils.paths import find_checkpoints

LEFT_OUT = ("config", "trained_with", "places")
"""Keys of the checkpoint's ``meta``."""


def publish(checkpoint: Path, out: Path) -> Path:
    """Write a step's ``checkpoint.pth`` to pass on, for ``NAME.pth`` to ``NAME-HASH.pth``."""
    with quiet_imports():
        from vdfd_seg.inference.loading import predicts_otherwise
        from vdfd_seg.utils.checkpoint import load_step, save_plain
        from vdfd_seg.utils.download import digest_of
        from vdfd_seg.utils.files import writable_dir

    if out.suffix != ".pth":
        raise InputError(f"--out '{out}' must end in .pth.")
    saved = load_step(checkpoint)
    state = saved["method"]["state"] if predicts_otherwise(saved) else {}
    saved["method"] = {"type": saved["method"]["type"], "state": state}
    saved["meta"] = {key: value for key, value in saved["meta"].items() if key not in LEFT_OUT}
    writable_dir(out.parent, "folder of --out")
    unnamed = out.with_name(f".{out.name}")
    save_plain(unnamed, saved)
    published = out.with_name(f"{out.stem}-{digest_of(unnamed, 'sha256')[:8]}.pth")
    os.replace(unnamed, published)
    return published


def main(argv=None) -> None:
    """Publish a step."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_checkpoint_arguments(parse)
    parse.add_argument("--out", type=Path, required=True, metavar="NAME.pth")
    args = parse.parse_args(argv)
    (checkpoint,) = find_checkpoints(args.checkpoint, args.step)
    published = publish(checkpoint, args.out)
    before, after = (os.path.getsize(path) / 2**20 for path in (checkpoint, published))
    print(f"{published}: {after:.1f} of {before:.1f} MiB")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
