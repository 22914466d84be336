#!/usr/bin/env python3
"""The commands of ``vdfd_seg`` with the studies' methods: ``run.py train CONFIG ...``."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import constrained  # noqa: F401
import controls  # noqa: F401
import replay_trial  # noqa: F401
import trials  # noqa: F401

from vdfd_seg.cli import main

if __name__ == "__main__":
    sys.exit(main())
