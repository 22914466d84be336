#!/usr/bin/env python3
"""Write a step for mmsegmentation or as ONNX; the same as ``vdfd_seg export``."""

from command import run

if __name__ == "__main__":
    run(__file__)
