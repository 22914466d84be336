"""Networks and losses, and the views through which methods see them."""

from vdfd_seg.models.classification import ClassificationOutputs, ClassificationView
from vdfd_seg.models.classifier import ContinualClassifier
from vdfd_seg.models.growth import grow, register_class_rows
from vdfd_seg.models.image_batch_preprocessor import ImageBatchPreprocessor
from vdfd_seg.models.learner import ContinualLearner
from vdfd_seg.models.losses import TaskAwareLoss, UnbiasedCrossEntropyLoss
from vdfd_seg.models.segmentation import Outputs, SegmentationView
from vdfd_seg.models.views import view_of

__all__ = [
    "ClassificationOutputs",
    "ClassificationView",
    "ContinualClassifier",
    "ContinualLearner",
    "ImageBatchPreprocessor",
    "Outputs",
    "SegmentationView",
    "TaskAwareLoss",
    "UnbiasedCrossEntropyLoss",
    "grow",
    "register_class_rows",
    "view_of",
]
