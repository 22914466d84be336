"""Fusing the weights after a step with those before it."""

import math

import torch
from torch import Tensor, nn

from vdfd_seg.errors import InputError
from vdfd_seg.models.growth import classes_first


def ewf_share(num_old: int, num_new: int) -> float:
    r"""Share :math:`\alpha = \sqrt{N / (N + K)}` of the new weights, for N new and K old classes.

    The background is an old class. Xiao et al., "Endpoints Weight Fusion for Class Incremental
    Semantic Segmentation", CVPR 2023.
    """
    return math.sqrt(num_new / (num_new + num_old))


@torch.no_grad()
def fuse(network: nn.Module, old_state: dict[str, Tensor], share: float) -> None:
    r"""Move a trained network's weights back towards ``old_state``, before the step, in place.

    :math:`w \leftarrow (1 - \alpha)\, w_{old} + \alpha\, w` for every weight and running
    statistic that the network had; rows of new classes do not change. The share :math:`\alpha` is
    from 0 (the old network) to 1 (unchanged).

    Raises:
        InputError: When the network lacks an old parameter, naming it.
    """
    state = network.state_dict()
    missing = sorted(old_state.keys() - state.keys())
    if missing:
        raise InputError(
            f"weights cannot be fused: the network has no '{missing[0]}' while it trains, since "
            f"the method replaces modules; leave method.fuse out."
        )
    for name, old in old_state.items():
        if old.is_floating_point():
            old, new = classes_first(old), classes_first(state[name])
            rows = new[: len(old)] if old.ndim else new
            rows.lerp_(old.to(rows), 1 - share)
