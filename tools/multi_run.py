#!/usr/bin/env python3
"""Train several configs with several seeds, and compare; the same as ``vdfd_seg multi_run``."""

from command import run

if __name__ == "__main__":
    run(__file__)
