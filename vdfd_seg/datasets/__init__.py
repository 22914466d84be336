"""How images and labels are served; importing it registers its transforms and functions."""

from vdfd_seg.utils.installation import quiet_imports

with quiet_imports():
    # What mmengine.load reads pickles and YAML with from here on.
    import vdfd_seg.datasets.conversion.restricted_pickle  # noqa: F401
    from vdfd_seg.datasets.classification.arrays import read_arrays, write_arrays
    from vdfd_seg.datasets.classification.data import ClassificationData
    from vdfd_seg.datasets.embedded.digit_scenes import write_digit_scenes
    from vdfd_seg.datasets.embedded.digits import write_digits
    from vdfd_seg.datasets.segmentation.crops import EvaluationCrop, RandomResizedCrop
    from vdfd_seg.datasets.segmentation.data import SegmentationData
    from vdfd_seg.datasets.segmentation.source import open_source
    from vdfd_seg.datasets.segmentation.task_dataset import BlankLabels, MaskLabels

__all__ = [
    "BlankLabels",
    "ClassificationData",
    "EvaluationCrop",
    "MaskLabels",
    "RandomResizedCrop",
    "SegmentationData",
    "open_source",
    "read_arrays",
    "write_arrays",
    "write_digit_scenes",
    "write_digits",
]
