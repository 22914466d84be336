"""Continual learning for segmentation and classification with VDFD.

VDFD (Variational Data-Free Knowledge Distillation for Continual Learning, Li,
Wang, Sun and Xu, TPAMI 45(10), 2023) keeps what a network has learned while
new classes and domains arrive, storing neither old data nor old networks.
"""

from vdfd_seg.version import __version__

__all__ = ["__version__"]
