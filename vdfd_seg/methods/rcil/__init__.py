"""RCIL, with its compensation branches."""

from vdfd_seg.methods.rcil.method import RCIL

__all__ = ["RCIL"]
