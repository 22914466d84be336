"""The view that fits a network."""

from torch import nn

from vdfd_seg.models.classification import ClassificationView
from vdfd_seg.models.classifier import ContinualClassifier
from vdfd_seg.models.segmentation import SegmentationView


def view_of(network: nn.Module, scenario: str) -> SegmentationView | ClassificationView:
    """What a method sees of ``network``.

    Args:
        network: A segmentor of mmsegmentation, or a :class:`ContinualClassifier`.
        scenario: The protocol's.

    Raises:
        InputError: For a network of another kind.
    """
    if isinstance(network, ContinualClassifier):
        return ClassificationView(network, scenario)
    return SegmentationView(network)
