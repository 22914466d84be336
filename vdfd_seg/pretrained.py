"""Initial backbone weights from a file, without executing what is in it."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from vdfd_seg.errors import InputError


def load_pretrained(backbone: nn.Module, path: str | Path) -> None:
    """Load a backbone's weights.

    Args:
        backbone: The backbone.
        path: A file of tensors by name, or a checkpoint that holds them under
            ``state_dict``; names may begin with ``backbone.``, in which case the
            other parts of the network are passed over.

    Raises:
        InputError: For a file that is missing, damaged, would execute code, or
            does not fit the backbone, naming the parameter.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(
            f"pretrained weights '{path}' do not exist; set model.backbone.init_cfg.checkpoint, "
            f"or model.backbone.init_cfg=None to start from random weights."
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # A flipped bit makes torch raise nearly anything.
        raise InputError(
            f"pretrained weights '{path}' are damaged or hold objects other than tensors; save "
            f"the state_dict alone."
        ) from error
    weights = _weights(content, path)
    state = backbone.state_dict()
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    missing = sorted(state.keys() - weights.keys() - counters)
    if missing:
        raise InputError(
            f"pretrained weights '{path}' lack '{missing[0]}' ({len(missing)} of {len(state)} "
            f"parameters): they belong to another backbone or key layout."
        )
    for name in state:
        if name in weights and weights[name].shape != state[name].shape:
            raise InputError(
                f"pretrained weights '{path}': '{name}' has shape {tuple(weights[name].shape)}, "
                f"the backbone's is {tuple(state[name].shape)}."
            )
    backbone.load_state_dict({k: weights[k] for k in state if k in weights}, strict=False)


def _weights(content, path) -> dict[str, Tensor]:
    if isinstance(content, Mapping) and "state_dict" in content:
        content = content["state_dict"]
    if not isinstance(content, Mapping):
        raise InputError(f"pretrained weights '{path}' are not tensors by name.")
    prefix = "backbone."
    if any(str(key).startswith(prefix) for key in content):
        content = {k[len(prefix) :]: v for k, v in content.items() if k.startswith(prefix)}
    return {k: v for k, v in content.items() if isinstance(v, Tensor)}
