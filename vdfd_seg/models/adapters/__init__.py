"""The adapter that fits a network."""

from torch import nn

from vdfd_seg.models.adapters.classification import ClassificationAdapter
from vdfd_seg.models.adapters.segmentation import SegmentationAdapter
from vdfd_seg.models.classifier import ContinualClassifier


def adapter_of(network: nn.Module, scenario: str) -> SegmentationAdapter | ClassificationAdapter:
    """The adapter through which a method sees a network, under a protocol's scenario.

    Raises:
        InputError: For a network that is neither a segmentor of mmsegmentation nor a
            :class:`ContinualClassifier`.
    """
    if isinstance(network, ContinualClassifier):
        return ClassificationAdapter(network, scenario)
    return SegmentationAdapter(network)
