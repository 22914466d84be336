"""A step's network for other programs: plain mmsegmentation, ONNX."""

from vdfd_seg.export.mmsegmentation import export_mmseg
from vdfd_seg.export.onnx_graph import OnnxCheck, export_onnx

__all__ = ["OnnxCheck", "export_mmseg", "export_onnx"]
