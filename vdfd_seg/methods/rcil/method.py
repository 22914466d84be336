"""RCIL: representation compensation and pooled cube distillation."""

from collections.abc import Sequence

import torch
from torch import Tensor

from vdfd_seg.losses import pooled_cube_loss, unbiased_distillation
from vdfd_seg.losses.pooled_cube import CHANNELS, POOL_SIZES
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.distilled_maps import MapDistillation
from vdfd_seg.methods.common.options import at_least_one, not_negative, positive
from vdfd_seg.methods.rcil.compensation import branches, compensate, fold
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class RCIL(MapDistillation):
    r"""A frozen branch next to a trainable one, and distillation of pooled maps and of the logits.

    .. math::
        L = L_{UNCE} + \lambda\, \ell_{UNKD} + \sqrt{\frac{C}{C_{new}}} \,
            (\ell_{spatial} + \ell_{channel})

    Zhang et al., "Representation Compensation Networks for Continual Semantic Segmentation",
    CVPR 2022.

    While a step trains, the pairs of
    :func:`~vdfd_seg.methods.rcil.conv_norm_pairs.conv_norm_pairs` have two branches, see
    :class:`~vdfd_seg.methods.rcil.compensation.CompensatedConv`; in the first step both train.
    After the step they are folded into one, so that the checkpoint holds the plain network of the
    config. In the next step the folded branch is frozen, and the other continues from its own
    weights, which are carried. If there are none, after a step 0 that another method trained, it
    starts as a copy.

    :math:`\ell_{spatial}, \ell_{channel}`: :func:`~vdfd_seg.losses.pooled_cube_loss` of the maps of
    :class:`~vdfd_seg.methods.common.distilled_maps.MapDistillation`, of the logits only the
    spatial one. :math:`\ell_{UNKD}`: :func:`~vdfd_seg.losses.unbiased_distillation` at the
    resolution of the labels, the plain one where no background hides old classes. :math:`C` counts
    all classes, :math:`C_{new}` the step's. Defaults are the released code's for VOC.

    Args:
        kd_weight: :math:`\lambda`.
        alpha: Hardens the old network's distribution in the distillation of the logits.
        spatial_weight: Weight of the spatial distance of all maps but the logits.
        spatial_logits_weight: That of the logits.
        channel_weight: Weight of the distance along channels of the backbone's maps.
        channel_last_weight: That of the classifier's input.
        pool_sizes: Sides of the windows in pixels of the maps; may exceed a map.
        pool_channels: Channels of a window.
    """

    unbiased_loss = True
    new_rows = "balanced"
    without_background = "with the plain distillation of the old classes"
    kd_weight: float = not_negative(100.0)
    alpha: float = positive(1.0)
    spatial_weight: float = not_negative(0.01)
    spatial_logits_weight: float = not_negative(0.0005)
    channel_weight: float = not_negative(0.01)
    channel_last_weight: float = not_negative(0.0005)
    pool_sizes: Sequence[int] = at_least_one(POOL_SIZES)
    pool_channels: int = at_least_one(CHANNELS)

    def before_task(self, context: TaskContext) -> None:
        """Take the teacher, and give the network its second branches."""
        super().before_task(context)
        network = context.adapter.network
        compensate(network, frozen=context.step > 0)
        layers = branches(network)
        # Layers that this step freezes have one branch.
        for name in layers.keys() & context.carried.get("branches", {}).keys():
            second, state = layers[name].second, context.carried["branches"][name]
            second.load_state_dict(_shaped(state, second.state_dict()))

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted distillations of the logits and of the pooled maps."""
        if self.teacher is None:
            return {}
        old = adapter.old_outputs(self.teacher, outputs)
        with torch.autocast(outputs.inputs.device.type, enabled=False):
            count = len(outputs.features)
            spatial, channel = pooled_cube_loss(
                *self.both_maps(adapter, outputs, old),
                [self.spatial_weight] * (count + 1) + [self.spatial_logits_weight],
                [self.channel_weight] * count + [self.channel_last_weight],
                self.pool_sizes,
                self.pool_channels,
            )
        losses = {"loss_spatial": self.growth * spatial, "loss_channel": self.growth * channel}
        if self.kd_weight:
            ours = adapter.at_labels(outputs.logits, samples)
            theirs = adapter.at_labels(old.logits, samples)
            ours = ours if self.hides else ours[:, : self.num_old]
            losses["loss_kd"] = self.kd_weight * unbiased_distillation(ours, theirs, self.alpha)
        return losses

    def after_task(self, context: TaskContext) -> dict:
        """Fold the network's branches, and carry the second of each that has trained."""
        super().after_task(context)
        network = context.adapter.network
        layers = branches(network)
        # Of layers that this step froze, as they came.
        carried = context.carried.get("branches", {})
        trained = {name: state for name, state in carried.items() if name not in layers}
        trained |= {
            name: _flat(layer.second.state_dict())
            for name, layer in layers.items()
            if not layer.untrained()
        }
        fold(network)
        return {"branches": trained} if trained else {}


def _flat(state: dict[str, Tensor]) -> dict:
    """Rows of weights, and counters as numbers."""
    return {
        key: (value.flatten(1) if value.ndim > 2 else value).clone() if value.ndim else value.item()
        for key, value in state.items()
    }


def _shaped(state: dict, like: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: torch.as_tensor(value).reshape(like[key].shape) for key, value in state.items()}
