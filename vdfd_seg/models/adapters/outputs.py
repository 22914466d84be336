"""What a network gives for a batch, as methods see it."""

from dataclasses import dataclass

from torch import Tensor


@dataclass
class Outputs:
    """One forward pass, shared by the task's loss and the method's terms.

    Attributes:
        inputs: ``(N, 3, H, W)`` images, as the network got them.
        embedding: Input of the classifier, ``(N, d, h, w)`` at the head's resolution, or ``(N, d)``
            of unrotated images; empty where a head's classifier is not linear.
        logits: Scores of the classes for it, ``(N, C, h, w)`` or ``(N, C)``.
        all_logits: Scores of every row: the same as ``logits``, but with label augmentation
            ``(M, 4 C)``, in training of ``M = 4 N`` rotated images.
        features: Segmentation: maps of the backbone's stages (after the neck, if any).
        auxiliary: Segmentation: logits of the adapter's auxiliary heads.
        before_dropout: ``(N, d, h, w)`` input of the head's dropout: the embedding without it.
    """

    inputs: Tensor
    embedding: Tensor
    logits: Tensor
    all_logits: Tensor
    features: tuple[Tensor, ...] = ()
    auxiliary: tuple[Tensor, ...] = ()
    before_dropout: Tensor | None = None
