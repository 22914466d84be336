"""Pre-activation ResNet for small images (He, Zhang, Ren and Sun, ECCV 2016), torch only."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class PreActBlock(nn.Module):
    """Two 3x3 convolutions, each after batch norm and ReLU, and a shortcut; the first strides."""

    def __init__(self, in_channels: int, channels: int, stride: int = 1) -> None:
        super().__init__()
        self.bn1 = nn.BatchNorm2d(in_channels)
        self.conv1 = nn.Conv2d(in_channels, channels, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(channels)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.shortcut = None
        if stride != 1 or in_channels != channels:
            self.shortcut = nn.Conv2d(in_channels, channels, 1, stride=stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        """Features ``(N, channels, H / stride, W / stride)``."""
        active = F.relu(self.bn1(inputs))
        shortcut = inputs if self.shortcut is None else self.shortcut(active)
        hidden = self.conv1(active)
        return self.conv2(F.relu(self.bn2(hidden))) + shortcut


class PreActResNet(nn.Module):
    """Pre-activation ResNet without max-pooling, for images of 32x32 pixels and the like.

    Args:
        depths: Number of blocks of each stage. Default ResNet-18's.
        widths: Channels of each stage.
        num_classes: Outputs of the linear classifier; None for features alone.
        in_channels: Channels of the images.
    """

    def __init__(
        self,
        depths: Sequence[int] = (2, 2, 2, 2),
        widths: Sequence[int] = (64, 128, 256, 512),
        num_classes: int | None = 10,
        in_channels: int = 3,
    ) -> None:
        super().__init__()
        self.stem = nn.Conv2d(in_channels, widths[0], 3, padding=1, bias=False)
        stages, before = [], widths[0]
        for index, (depth, width) in enumerate(zip(depths, widths, strict=True)):
            strides = [1 if index == 0 else 2] + [1] * (depth - 1)
            blocks = []
            for stride in strides:
                blocks.append(PreActBlock(before, width, stride))
                before = width
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.bn = nn.BatchNorm2d(before)
        self.num_features = before
        self.linear = None if num_classes is None else nn.Linear(before, num_classes)

    def features(self, images: Tensor) -> Tensor:
        """Pooled features ``(N, num_features)``."""
        hidden = F.relu(self.bn(self.stages(self.stem(images))))
        return torch.flatten(F.adaptive_avg_pool2d(hidden, 1), 1)

    def forward(self, images: Tensor) -> Tensor:
        """Logits ``(N, num_classes)``, or features without a classifier."""
        features = self.features(images)
        return features if self.linear is None else self.linear(features)
