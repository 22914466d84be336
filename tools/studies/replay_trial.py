"""What VDFDPlus's replay is made of: each part left out, or done in another way."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.distillation import FeatureGaussians
from vdfd_seg.distillation.feature_drift import linear_drift
from vdfd_seg.methods import VDFDPlus
from vdfd_seg.methods.common.feature_cache import FeatureCache
from vdfd_seg.methods.common.options import at_least_one, not_negative, one_of, option
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class ReplayTrial(VDFDPlus):
    """VDFDPlus with replay, and one thing changed.

    Args:
        weight: As VDFDPlus's.
        replay: As VDFDPlus's.
        background: Whose background is replayed: of ``"every"`` step, of the ``"first"``, or
            ``"none"``.
        uniform: As many draws of each class, in place of as many as it had pixels.
        diagonal: Variances alone, in place of covariances.
        soft: Draws have the probabilities that the rows at the start of the step give, in place of
            their class.
        trunk_tasks: On how many of the first tasks the trunk trains, with the bound of weight 1
            and the replay. After each the Gaussians are moved by the affine map that fits how the
            features of the task's own images moved.
        num_views: As VDFDPlus's.
        reconstruct: As VDFDPlus's.
    """

    weight: float = not_negative(0.0)
    replay: int = not_negative(1024)
    background: str = one_of("every", "first", "none")
    uniform: bool = option(False)
    diagonal: bool = option(False)
    soft: bool = option(False)
    trunk_tasks: int = at_least_one(1)
    before: FeatureCache | None = None

    def before_task(self, context) -> None:
        """Note the rows of the start; where the trunk trains, the features too."""
        if 0 < context.step < self.trunk_tasks:
            self.weight = 1.0
            self.memory = self._carried(context).to(context.device)
            self.before = FeatureCache(context, self.num_views)
            self._begin_divergence(context)
            self.cache_outputs(context)
        else:
            super().before_task(context)
        self.start = [
            None if p is None else p.detach().clone() for p in context.adapter.classifier()
        ]

    def _carried(self, context) -> FeatureGaussians:
        found = super()._carried(context)
        if self.background == "none":
            kept = found.labels != 0
            found = FeatureGaussians(**{k: v[kept] for k, v in found.to_state().items()})
        if self.uniform:
            found = replace(found, counts=torch.ones_like(found.counts))
        if self.diagonal:
            variances = found.covariances.diagonal(dim1=1, dim2=2)
            found = replace(found, covariances=torch.diag_embed(variances))
        return found

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """Those of VDFDPlus; with ``soft`` another replay."""
        losses = super().extra_losses(adapter, outputs, samples)
        if self.memory is not None and self.soft:
            features, _ = self.memory.draw(self.replay)
            old = F.linear(features, *self.start)
            old[:, self.memory.labels.max() + 1 :] = -torch.inf  # rows of new classes
            new = F.linear(features, *adapter.classifier())
            losses["loss_replay"] = F.cross_entropy(new, old.softmax(1))
        return losses

    def after_task(self, context) -> dict:
        """Where the trunk trained, move the Gaussians with the features."""
        before, self.before = self.before, None
        state = super().after_task(context)
        if self.background == "first" and context.step:
            first = FeatureGaussians(**context.carried["replay"])
            for key in ("means", "covariances"):
                place = first.labels == 0
                state["replay"][key][: len(place)][place] = getattr(first, key)[place]
        if before is None:
            return state
        drift = linear_drift(
            _some_pixels(before), _some_pixels(FeatureCache(context, self.num_views))
        )
        gaussians = FeatureGaussians(**state["replay"])
        old = gaussians.labels < context.num_old
        means, covariances = gaussians.means.double(), gaussians.covariances.double()
        means[old] = drift.of_points(means[old])
        covariances[old] = drift.matrix @ covariances[old] @ drift.matrix.T
        moved = replace(gaussians, means=means.float(), covariances=covariances.float())
        return {"replay": moved.to_state()}


def _some_pixels(cache: FeatureCache) -> Tensor:
    """Features ``(P, d)`` at some 50,000 positions spread evenly over all views."""
    width = cache.features[0, 0].numel()
    total = len(cache.features) * width
    chosen = torch.arange(0, total, max(1, total // 50_000))
    return cache.features.flatten(2)[chosen // width, :, chosen % width].float()
