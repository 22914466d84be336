"""A frozen trunk and frozen old rows, with rows that are there before their classes."""

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.errors import InputError
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import FeatureCache
from vdfd_seg.methods.common.options import at_least_one, one_of, positive
from vdfd_seg.methods.frozen_trunk import FrozenTrunk
from vdfd_seg.protocols import IGNORE_INDEX, Protocol
from vdfd_seg.registry import METHODS
from vdfd_seg.utils.seeding import derived_seed


@METHODS.register_module()
class DFT(FrozenTrunk):
    r"""DFT*: trunk and old rows frozen, all rows allocated in advance, plain cross-entropy.

    After the first task only the rows of the step's classes train, by the network's own
    cross-entropy, with old and later classes labelled background. Rows of all later classes were
    trained as negatives of the first task, so a new row starts far below the others on old classes.

    "Revisiting continual semantic segmentation with pre-trained vision models",
    arXiv 2508.04267. There the rows train along with the first task; here after it, on its
    features, so that any method can train the first step. Rows of later tasks wait outside of the
    softmax.

    Args:
        iterations: Updates of the rows in advance, of 8 views each.
        lr: Their learning rate (Adam).
        num_views: Augmented views of an image.
    """

    unbiased_loss = False
    new_rows = "random"
    old_rows = "frozen"
    iterations: int = at_least_one(200)
    lr: float = positive(0.01)

    def check(self, protocol: Protocol) -> None:
        """Refuse protocols whose classes are all there at first, and another start of rows."""
        if protocol.scenario != "class":
            raise InputError("method DFT: it is for class-incremental protocols.")
        one_of("random").set(self, "new_rows", self.new_rows)

    def before_task(self, context: TaskContext) -> None:
        """Put the rows of the step's classes in place, and freeze the rest."""
        if context.step:
            for parameter, waiting in zip(
                context.adapter.classifier(), context.carried["rows"], strict=True
            ):
                if parameter is not None:
                    new = len(parameter) - context.num_old
                    parameter.data[context.num_old :] = waiting[:new].to(parameter)
        super().before_task(context)

    def after_task(self, context: TaskContext) -> dict:
        """Allocate rows after the first task; carry those that still wait."""
        if context.step:
            new = context.protocol.num_classes(context.step) - context.num_old
            rows = [waiting[new:] for waiting in context.carried["rows"]]
        else:
            rows = list(self.allocated(context))
        return {**super().after_task(context), "rows": rows}

    def allocated(self, context: TaskContext) -> tuple[Tensor, Tensor]:
        """Rows ``(F, d)`` and biases ``(F,)`` of all later classes, trained as negatives."""
        known, bias = context.adapter.classifier()
        known = known.detach()
        later = len(context.protocol.classes) - len(known)
        # Of its own: what the global one has drawn depends on the workers that read the images.
        random = torch.Generator().manual_seed(derived_seed(context.seed, "rows"))
        rows = torch.randn(later, known.shape[1], generator=random).mul_(0.01).to(known.device)
        offsets = torch.zeros(later, device=known.device)
        trained = [rows.requires_grad_()] + ([] if bias is None else [offsets.requires_grad_()])
        optimizer = torch.optim.Adam(trained, lr=self.lr)
        cache = FeatureCache(context, 1)
        for _ in range(self.iterations):
            views = torch.randint(len(cache), (8,), generator=random)
            features = cache.features[views].to(known.device).float()
            scores = F.conv2d(
                features,
                torch.cat([known, rows])[:, :, None, None],
                None if bias is None else torch.cat([bias.detach(), offsets]),
            )
            labels = cache.labels[views].to(known.device).long()
            loss = F.cross_entropy(scores, labels, ignore_index=IGNORE_INDEX)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return rows.detach(), offsets.detach()
