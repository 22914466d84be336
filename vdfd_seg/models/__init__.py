"""Networks, and the adapters through which methods see them."""

from vdfd_seg.models.adapters import adapter_of
from vdfd_seg.models.adapters.classification import ClassificationAdapter
from vdfd_seg.models.adapters.outputs import Outputs
from vdfd_seg.models.adapters.segmentation import SegmentationAdapter
from vdfd_seg.models.classifier import ContinualClassifier
from vdfd_seg.models.growth import grow, register_class_rows
from vdfd_seg.models.image_batch_preprocessor import ImageBatchPreprocessor
from vdfd_seg.models.learner import ContinualLearner, learner_of

__all__ = [
    "ClassificationAdapter",
    "ContinualClassifier",
    "ContinualLearner",
    "ImageBatchPreprocessor",
    "Outputs",
    "SegmentationAdapter",
    "adapter_of",
    "grow",
    "learner_of",
    "register_class_rows",
]
