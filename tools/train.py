#!/usr/bin/env python3
"""Train a continual sequence; the same as ``vdfd_seg train``."""

from command import run

if __name__ == "__main__":
    run(__file__)
