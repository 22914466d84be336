#!/usr/bin/env python3
"""Write a step for mmsegmentation or as ONNX; the same as ``vdfd_seg export``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if (ROOT / "vdfd_seg" / "version.py").is_file():
    # In a clone its own package counts, installed or not, and no other copy.
    sys.path.insert(0, str(ROOT))

from vdfd_seg.cli import run_command  # noqa: E402


def main(argv: list[str] | None = None) -> int:
    return run_command("export", argv)


if __name__ == "__main__":
    sys.exit(main())
