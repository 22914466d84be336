#!/usr/bin/env python3
"""Evaluate the checkpoints of a sequence; the same as ``vdfd_seg test``."""

from command import run

if __name__ == "__main__":
    run(__file__)
