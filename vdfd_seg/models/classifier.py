"""An image classifier that gains a head with every task."""

from collections.abc import Sequence

import torch
from mmengine.registry import MODELS as MMENGINE_MODELS
from torch import Tensor, nn

from vdfd_seg.errors import InputError
from vdfd_seg.models.memory_format import lay_out
from vdfd_seg.models.preact_resnet import PreActResNet
from vdfd_seg.registry import MODELS

ROTATIONS = 4
TESTS = ("first", "average")

MODELS.register_module(module=PreActResNet)


def rotated(images: Tensor) -> Tensor:
    """Every image ``(N, C, H, W)`` by 0, 90, 180 and 270 degrees, anticlockwise.

    Returns:
        ``(4 N, C, H, W)``; the four copies of an image follow one another.

    Raises:
        InputError: For images that are not square.
    """
    if images.shape[2] != images.shape[3]:
        raise InputError(
            f"model.rotations=True needs square images, not {images.shape[2]}x{images.shape[3]}."
        )
    parts = [torch.rot90(images, k, (2, 3)) for k in range(ROTATIONS)]
    return torch.stack(parts, 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)


@MODELS.register_module()
class ContinualClassifier(nn.Module):
    r"""A backbone and one bias-free linear head a task.

    Logits are those of all heads, one after another: class c of the network has the logit
    :math:`f_c(x) = w_c^\top h(x)`.

    With self-supervised label augmentation (Lee, Hwang and Shin, ICML 2020; as in PASS and in
    the released VDFD code) a class has four rows: row ``4 c + k`` is class c rotated k times by 90
    degrees. The logit of class c, in the rest of the package, is row ``4 c``: that of the unrotated
    image.

    Args:
        backbone: Config of a network that returns features ``(N, num_features)``.
        data_preprocessor: Config of the preprocessor.
        head_sizes: Number of classes of each task so far; set for every step.
        rotations: Learn with label augmentation. Default False.
        label_trick: In the class-incremental scenario, let the classes of a step compete with
            each other alone while it trains, as in the released VDFD code. Methods that store
            data do not use it. Default True.
        test: With rotations: predict from the unrotated image (``"first"``, the default and the
            paper's), or from the mean over k of row ``4 c + k`` on the image rotated k times
            (``"average"``).

    Raises:
        InputError: For another ``test``, or a backbone that cannot be built.
    """

    def __init__(
        self,
        backbone: dict,
        data_preprocessor: dict | None = None,
        head_sizes: Sequence[int] = (10,),
        rotations: bool = False,
        label_trick: bool = True,
        test: str = "first",
    ):
        super().__init__()
        if test not in TESTS:
            raise InputError(f"model.test='{test}' is not one of {TESTS}.")
        self.data_preprocessor = MMENGINE_MODELS.build(
            data_preprocessor or {"type": "vdfd_seg.ImageBatchPreprocessor"}
        )
        self.backbone = MMENGINE_MODELS.build({"num_classes": None, **backbone})
        lay_out(self.backbone)
        width = self.backbone.num_features
        self.rows_per_class = ROTATIONS if rotations else 1
        self.label_trick = label_trick
        self.test = test
        # Of a ModuleList, torch's annotations know only that it holds modules.
        self.heads: Sequence[nn.Linear] = nn.ModuleList(  # type: ignore[assignment]
            nn.Linear(width, self.rows_per_class * size, bias=False) for size in head_sizes
        )

    def init_weights(self) -> None:
        """Does nothing: PyTorch's own initialisation, as in the released code."""

    @property
    def head_sizes(self) -> list[int]:
        """Number of classes of each task."""
        return [head.out_features // self.rows_per_class for head in self.heads]

    def features(self, images: Tensor) -> Tensor:
        """Features ``(N, d)`` of images ``(N, 3, H, W)``."""
        return self.backbone(images)

    def logits(self, features: Tensor) -> Tensor:
        """Logits of every row of every head ``(N, rows)`` from features ``(N, d)``."""
        return torch.cat([head(features) for head in self.heads], 1)

    def forward(self, inputs: Tensor, data_samples=None, mode: str = "tensor") -> Tensor:
        """Scores of the classes ``(N, C)``: logits, or in ``"predict"`` means over rotations."""
        rows = self.rows_per_class
        if mode == "predict" and rows > 1 and self.test == "average":
            scores = self.logits(self.features(rotated(inputs)))
            scores = scores.view(len(inputs), rows, -1, rows)
            return scores.diagonal(dim1=1, dim2=3).mean(-1)
        return self.logits(self.features(inputs))[:, ::rows]
