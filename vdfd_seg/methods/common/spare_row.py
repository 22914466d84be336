"""A row next to the classifier's that belongs to no class of the network."""

import torch
from torch import Tensor, nn

from vdfd_seg.models import SegmentationAdapter


class SpareRow(nn.Linear):
    """Learns next to the classifier and is carried; the rows of new classes start as copies.

    ``row`` are weights and bias ``(d + 1,)`` that :meth:`carried` gave, or None for zeros.
    """

    def __init__(self, adapter: SegmentationAdapter, row: Tensor | None = None):
        rows, _ = adapter.classifier()
        super().__init__(rows.shape[1], 1, device=rows.device)
        with torch.no_grad():
            self.weight.copy_(torch.zeros(1) if row is None else row[None, :-1])
            self.bias.copy_(torch.zeros(1) if row is None else row[-1:])

    def forward(self, features: Tensor) -> Tensor:
        """Logits ``(N, 1, h, w)`` of features ``(N, d, h, w)``."""
        return super().forward(features.movedim(1, -1)).movedim(-1, 1)

    @torch.no_grad()
    def begin_new_rows(self, adapter: SegmentationAdapter, num_old: int) -> None:
        """Copy it into the classifier's rows after the first ``num_old``."""
        rows, bias = adapter.classifier()
        rows[num_old:] = self.weight
        if bias is not None:
            bias[num_old:] = self.bias

    def carried(self) -> Tensor:
        """Weights and bias ``(d + 1,)``, a copy."""
        return torch.cat([self.weight.detach()[0], self.bias.detach()])
