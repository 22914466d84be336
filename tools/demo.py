#!/usr/bin/env python3
"""Run the demo: a whole sequence on the embedded data set; the same as ``vdfd_seg demo``."""

from command import run

if __name__ == "__main__":
    run(__file__)
