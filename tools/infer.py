#!/usr/bin/env python3
"""Segment or classify images with a step, or compare two; the same as ``vdfd_seg infer``."""

import sys
from pathlib import Path

# In a clone its own package counts, installed or not, and no other copy.
sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from vdfd_seg.cli import run_command

if __name__ == "__main__":
    sys.exit(run_command("infer"))
