"""The adapter that fits a network."""

from torch import nn

from vdfd_seg.models.adapters.classification import ClassificationAdapter
from vdfd_seg.models.adapters.segmentation import SegmentationAdapter
from vdfd_seg.models.classifier import ContinualClassifier


def adapter_of(network: nn.Module, scenario: str) -> SegmentationAdapter | ClassificationAdapter:
    """The adapter through which a method sees ``network``.

    Args:
        network: A segmentor of mmsegmentation, or a :class:`ContinualClassifier`.
        scenario: The protocol's.

    Raises:
        InputError: For a network of another kind.
    """
    if isinstance(network, ContinualClassifier):
        return ClassificationAdapter(network, scenario)
    return SegmentationAdapter(network)
