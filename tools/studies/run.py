#!/usr/bin/env python3
"""The commands of ``vdfd_seg`` with the studies' methods: ``run.py train CONFIG ...``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import controls  # noqa: E402, F401
import held  # noqa: E402, F401
import trials  # noqa: E402, F401

from vdfd_seg.cli import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
