#!/usr/bin/env python3
"""Segment or classify images with a step, or compare two; the same as ``vdfd_seg infer``."""

from command import run

if __name__ == "__main__":
    run(__file__)
