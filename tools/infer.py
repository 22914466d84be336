#!/usr/bin/env python3
"""Segment or classify images with a step, or compare two; the same as ``vdfd_seg infer``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if (ROOT / "vdfd_seg" / "version.py").is_file():
    # In a clone its own package counts, installed or not, and no other copy.
    sys.path.insert(0, str(ROOT))

from vdfd_seg.cli import run_command  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    return run_command("infer", argv)


if __name__ == "__main__":
    sys.exit(main())
