#!/usr/bin/env python3
"""Take a network that mmsegmentation trained as step 0; the same as ``vdfd_seg adopt``."""

from command import run

if __name__ == "__main__":
    run(__file__)
