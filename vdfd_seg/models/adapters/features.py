"""An adapter that takes cached features in place of images."""

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from vdfd_seg.models.adapters.outputs import Outputs
from vdfd_seg.models.adapters.segmentation import SegmentationAdapter


class FeatureAdapter(SegmentationAdapter):
    """A :class:`SegmentationAdapter` with embeddings for inputs, in place of images.

    Only the classifier of the main head runs, without the dropout before it; auxiliary heads have
    no loss.
    """

    def outputs(self, inputs: Tensor) -> Outputs:
        """The classifier's logits of embeddings ``(N, d, h, w)``."""
        logits = self.logits(inputs)
        return Outputs(inputs, inputs, logits, logits, before_dropout=inputs)

    def logits(self, inputs: Tensor) -> Tensor:
        """``(N, C, h, w)`` scores of embeddings."""
        rows, bias = self.classifier()
        return F.conv2d(inputs.to(rows.dtype), rows[:, :, None, None], bias)

    def auxiliary_losses(
        self, outputs: Outputs, samples: list, weights: Tensor | None = None
    ) -> dict[str, Tensor]:
        """None: the auxiliary heads do not train."""
        return {}


class FeaturePreprocessor(BaseDataPreprocessor):
    """Stacks cached features in single precision in training; takes ``images`` in evaluation."""

    def __init__(self, images: BaseDataPreprocessor):
        super().__init__()
        self.images = images

    def forward(self, data: dict, training: bool = False) -> dict:
        """A batch on the network's device."""
        if not training:
            return self.images(data, training)
        data = self.cast_data(data)
        return {**data, "inputs": torch.stack(list(data["inputs"])).float()}
