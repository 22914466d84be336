"""Augmentation and normalisation of a whole batch at once, on its device."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmengine.model import BaseDataPreprocessor
from torch import Tensor

from vdfd_seg.datasets.classification.batches import LabelledImages
from vdfd_seg.errors import InputError
from vdfd_seg.registry import MODELS


@MODELS.register_module()
class ImageBatchPreprocessor(BaseDataPreprocessor):
    """Random crop, random flip and normalisation of uint8 batches.

    In training an image is padded with black, a window of its own size is cut from it, and this is
    mirrored with probability 1/2, by the image's own random bits
    (:class:`~vdfd_seg.datasets.classification.batches.LabelledImages`). In evaluation nothing of
    this is done. Then ``(x / 255 - mean) / std``. Memory layout: channels last.

    Args:
        mean: One a channel, for pixels in [0, 1].
        std: One a channel.
        crop_padding: Pixels of padding on each side; 0 for no crop. Default 4, as usual for
            CIFAR.
        flip: Mirror half of the images. Default True.

    Raises:
        InputError: For a negative padding, or mean and std of different lengths.
    """

    def __init__(
        self,
        mean: Sequence[float] = (0.507, 0.487, 0.441),
        std: Sequence[float] = (0.267, 0.256, 0.276),
        crop_padding: int = 4,
        flip: bool = True,
    ):
        super().__init__()
        if crop_padding < 0 or len(mean) != len(std) or min(std) <= 0:
            raise InputError(
                "data_preprocessor needs crop_padding of 0 or more, and as many positive std as "
                f"mean; got crop_padding={crop_padding}, mean={mean}, std={std}."
            )
        self.crop_padding = crop_padding
        self.flip = flip
        scale = 255 * torch.tensor(std, dtype=torch.float32)
        shift = 255 * torch.tensor(mean, dtype=torch.float32)
        self.register_buffer("scale", scale.reciprocal().view(-1, 1, 1), False)
        self.register_buffer("shift", (-shift / scale).view(-1, 1, 1), False)

    def forward(self, data: dict, training: bool = False) -> dict:
        """Inputs ``(N, C, H, W)``, uint8, augmented in training and normalised to float32."""
        device = self.shift.device
        inputs = data["inputs"].to(device, non_blocking=True)
        samples: LabelledImages = data["data_samples"].to(device)
        if training and samples.random is not None:
            inputs = augment(inputs, samples.random, self.crop_padding, self.flip)
        inputs = torch.addcmul(self.shift, inputs.float(), self.scale)
        return {
            "inputs": inputs.contiguous(memory_format=torch.channels_last),
            "data_samples": samples,
        }


def augment(images: Tensor, random: Tensor, padding: int, flip: bool) -> Tensor:
    """Crop and mirror each image ``(N, C, H, W)`` by its own random bits; the same dtype.

    Args:
        images: The images.
        random: ``(N,)`` int64 of 63 random bits: the lowest 16 choose the row of the crop, the
            next 16 its column, the next one whether it is mirrored.
        padding: Pixels of zeros on each side.
        flip: Mirror where the bit says so.
    """
    if not padding and not flip:
        return images
    number, _, height, width = images.shape
    columns = torch.arange(width, device=images.device).expand(number, -1)
    if flip:
        mirrored = ((random >> 32) & 1).bool()
        columns = torch.where(mirrored[:, None], columns.flip(1), columns)
    rows = torch.arange(height, device=images.device).expand(number, -1)
    if padding:
        offsets = 2 * padding + 1
        rows = rows + ((random & 0xFFFF) % offsets)[:, None]
        columns = columns + (((random >> 16) & 0xFFFF) % offsets)[:, None]
        images = F.pad(images, (padding,) * 4)
    pixels = images.permute(0, 2, 3, 1)
    each = torch.arange(number, device=images.device)[:, None, None]
    return pixels[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
