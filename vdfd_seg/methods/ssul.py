"""SSUL: a sigmoid a class on a frozen trunk, and an unknown class in the background."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.errors import InputError
from vdfd_seg.losses import sigmoid_cross_entropy
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import FeatureCache
from vdfd_seg.methods.common.options import not_negative, one_of, option, positive
from vdfd_seg.methods.common.pseudo_labels import relabelled, with_old_classes
from vdfd_seg.methods.common.sigmoid_rows import (
    check_background,
    mean_where,
    subtract_background,
)
from vdfd_seg.methods.common.spare_row import SpareRow
from vdfd_seg.methods.frozen_trunk import FrozenTrunk
from vdfd_seg.protocols import IGNORE_INDEX, SALIENT_INDEX, Protocol
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class SSUL(FrozenTrunk):
    r"""Binary cross-entropies on a frozen trunk, pseudo-labels, and an unknown class.

    .. math::
        L = -\frac{1}{|P|} \sum_p \sum_{c \in \{u, 0, \dots, C - 1\}}
        [\hat y_p = c] \log \sigma(z_{p,c}) + [\hat y_p \ne c] \log(1 - \sigma(z_{p,c}))

    Cha et al., "SSUL: Semantic Segmentation with Unknown Label for Exemplar-based
    Class-Incremental Learning", NeurIPS 2021, without its memory of images. After the first task
    the trunk and the rows of old classes are frozen. The rows of new classes, of the background
    (``background``) and of the unknown class u train, on features computed once.

    Pseudo-labels are computed at the start of the step. A pixel labelled background becomes the
    old class with the greatest score, if this is the greatest of all and its sigmoid at least
    ``threshold``. Else, if a saliency map marks an object, it is unknown; the background's row
    learns such pixels too.

    The row u is no row of the network. It is carried, and the rows of new classes start as copies,
    which separate objects from background if there are saliency maps. Without maps no pixel is an
    example of u, and new rows start low everywhere. After a step 0 that another method trained, u
    starts at zero and the background's row as a row of zeros
    (:func:`~vdfd_seg.methods.common.sigmoid_rows.subtract_background`).

    Args:
        threshold: Least sigmoid of a pseudo-label; above 1, there are none.
        saliency: Folder with a map ``NAME.png`` for each training image, as large as it and other
            than 0 where there is some object; None for none. NAME is the image's path below the
            folder of all images, without suffix.
        background: Whether the background's row stays after the first step (``"frozen"``) or
            trains on (``"free"``).
        unknown_lr: Learning rate of u, by SGD with momentum 0.9; it follows the network's.
        num_views: Augmented views of an image.
    """

    unbiased_loss = False
    new_rows = "random"
    old_rows = "free"
    threshold: float = not_negative(0.7)
    saliency: str | None = option(None)
    background: str = one_of("frozen", "free")
    unknown_lr: float = positive(0.01)
    unknown: SpareRow

    def check(self, protocol: Protocol) -> None:
        """Refuse what has no background, and a folder of maps that is none."""
        check_background(self, protocol)
        if self.saliency is not None and not Path(self.saliency).is_dir():
            raise InputError(
                f"method SSUL: saliency='{self.saliency}' is not a folder; give that of the maps, "
                f"or leave it out."
            )
        if self.saliency is not None and len(protocol.classes) > SALIENT_INDEX:
            raise InputError(
                f"method SSUL: saliency needs the label {SALIENT_INDEX}, which is a class of this "
                f"protocol; leave it out."
            )

    def select(self, data, step: int, carried: dict) -> list:
        """The step's own samples, with their saliency maps.

        Raises:
            InputError: When a training image of any step has no map, naming it.
        """
        samples = super().select(data, step, carried)
        if self.saliency is None:
            return samples
        files = [Path(self.saliency) / f"{name}.png" for name in data.train.names]
        images = np.concatenate([data.step_images(s) for s in range(len(data.protocol.tasks))])
        missing = [files[i] for i in np.unique(images) if not files[i].is_file()]
        if missing:
            raise InputError(
                f"method SSUL: {len(missing)} training images have no saliency map; the first is "
                f"'{missing[0]}'. Add the maps, or leave method.saliency out."
            )
        return [replace(sample, saliency=str(files[sample.image])) for sample in samples]

    def before_task(self, context: TaskContext) -> None:
        """Freeze the trunk and old rows, start new ones from u, and find the pseudo-labels."""
        adapter, carried = context.adapter, context.carried.get("unknown")
        if carried is None:
            subtract_background(adapter, context.num_old)
        self.unknown = SpareRow(adapter, carried)
        self.optimizer = torch.optim.SGD(self.unknown.parameters(), self.unknown_lr, momentum=0.9)
        super().before_task(context)
        if context.step:
            self.frozen = slice(int(self.background == "free"), context.num_old)
            self.unknown.begin_new_rows(adapter, context.num_old)
            self._find_old_classes(context)

    @torch.no_grad()
    def _find_old_classes(self, context: TaskContext) -> None:
        cache = self.training_features
        assert isinstance(cache, FeatureCache)
        rows, bias = context.adapter.classifier()
        rows, bias = rows[: context.num_old], None if bias is None else bias[: context.num_old]
        # Parts of the cache, changed in place.
        for features, labels in zip(cache.features.split(32), cache.labels.split(32), strict=True):
            pixels = features.to(rows).movedim(1, -1).flatten(0, 2)
            scores = F.linear(pixels, rows, bias).sigmoid().cpu()
            found = with_old_classes(labels.flatten(), scores, self.threshold)
            labels.copy_(found.view_as(labels))

    def task_loss(self, adapter, outputs, samples: list) -> dict[str, Tensor]:
        """The cross-entropies of all rows and of u, and the losses of auxiliary heads."""
        labels = adapter.labels(samples)
        known = labels.masked_fill(labels == SALIENT_INDEX, 0)
        logits = adapter.upsample(outputs.logits, labels)
        unknown = adapter.upsample(self.unknown(outputs.embedding), labels)
        pixels = sigmoid_cross_entropy(logits, known)
        pixels = pixels + sigmoid_cross_entropy(unknown, labels, SALIENT_INDEX)
        loss = mean_where(pixels, labels != IGNORE_INDEX)
        auxiliary = adapter.auxiliary_losses(outputs, relabelled(samples, known))
        return {"decode.loss_bce": loss, **auxiliary}

    def after_task(self, context: TaskContext) -> dict:
        """Let the cache go, and carry u."""
        super().after_task(context)
        return {"unknown": self.unknown.carried()}
