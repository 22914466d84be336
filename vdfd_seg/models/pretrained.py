"""Reads initial weights in every way that MMEngine knows, without executing a file.

Importing this module makes all of MMEngine's loading of checkpoints safe in this process. Its own
loader unpickles a file that holds more than tensors, and so executes it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mmengine.model import BaseModule
from mmengine.model.weight_init import PretrainedInit
from mmengine.registry import WEIGHT_INITIALIZERS
from mmengine.runner import CheckpointLoader
from torch import nn

from vdfd_seg.errors import InputError
from vdfd_seg.models.weight_files import weights_file
from vdfd_seg.utils.mmseg_checkpoint import load_untrusted, weights_of


@CheckpointLoader.register_scheme(list(CheckpointLoader._schemes), force=True)
def load_from_file(filename: str, map_location: object = None) -> dict:
    """What MMEngine's ``CheckpointLoader`` returns for a file, on the CPU.

    Raises:
        InputError: If :func:`~vdfd_seg.models.weight_files.weights_file` or
            :func:`~vdfd_seg.utils.mmseg_checkpoint.load_untrusted` refuses the file.
    """
    content = load_untrusted(weights_file(filename))
    if filename.startswith("mmcls://"):
        # Of a classifier, as MMEngine does; some parts with a reader of their own want it so.
        whole, part = weights_of(content, filename), "backbone."
        content = {k[len(part) :]: value for k, value in whole.items() if k.startswith(part)}
    return content


@WEIGHT_INITIALIZERS.register_module(name="Pretrained", force=True)
class CheckedPretrainedInit(PretrainedInit):
    """``init_cfg=dict(type="Pretrained")`` of any part of a network, see :func:`load_pretrained`.

    MMEngine's own continues with random weights where names or shapes differ.
    """

    def __call__(self, module: nn.Module) -> None:
        """Set the module's weights."""
        load_pretrained(module, self.checkpoint, self.prefix)


def load_pretrained(module: nn.Module, path: str | Path, prefix: str | None = None) -> None:
    """Set the weights of a network or of a part of it.

    Args:
        module: The network or part.
        path: A file of tensors by name, or a checkpoint that holds them under ``state_dict``;
            or the name of one, see :func:`~vdfd_seg.models.weight_files.weights_file`.
        prefix: What the names in the file start with; others are passed over. By default
            ``backbone.`` where there are such names and the module has no part of that name.

    Raises:
        InputError: For a file that is missing, damaged, would execute code, or
            does not fit the module, naming the parameter.
    """
    weights = weights_of(load_from_file(str(path)), path)
    if prefix is None and not hasattr(module, "backbone"):
        prefix = "backbone." if any(name.startswith("backbone.") for name in weights) else ""
    if prefix:
        prefix = f"{prefix.removesuffix('.')}."
        weights = {k[len(prefix) :]: v for k, v in weights.items() if k.startswith(prefix)}
    state = module.state_dict()
    counters = {name for name in state if name.endswith("num_batches_tracked")}
    missing = sorted(state.keys() - weights.keys() - counters)
    if missing:
        raise InputError(
            f"pretrained weights '{path}' lack '{prefix or ''}{missing[0]}' ({len(missing)} of "
            f"{len(state)} parameters of {type(module).__name__}): they belong to another network "
            f"or key layout; init_cfg.prefix says what the names of a part start with."
        )
    for name in state:
        if name in weights and weights[name].shape != state[name].shape:
            full = f"{prefix or ''}{name}"
            raise InputError(_other_shape(path, full, weights[name], module, state[name]))
    module.load_state_dict({k: weights[k] for k in state if k in weights}, strict=False)


@contextmanager
def checked_readers(network: nn.Module) -> Iterator[None]:
    """Refuse files that do not fit parts with a reader of their own (Swin, ViT, BEiT, ...).

    These convert names and sizes, and may leave out layers, so a wrong file would leave random
    weights. A file with none of the part's names, or with other shapes, is refused.
    """

    def check(module, state_dict, prefix, *_):
        file = module.init_cfg["checkpoint"]
        own = {prefix + name: value for name, value in module.state_dict().items()}
        if not own.keys() & state_dict.keys():
            raise InputError(
                f"pretrained weights '{file}' lack '{min(own)}' and all other parameters of "
                f"{type(module).__name__}: they belong to another network or key layout."
            )
        for name in own.keys() & state_dict.keys():
            if state_dict[name].shape != own[name].shape:
                raise InputError(_other_shape(file, name, state_dict[name], module, own[name]))

    hooks = [
        module.register_load_state_dict_pre_hook(check)
        for module in network.modules()
        if isinstance(module, BaseModule)
        and is_pretrained(module.init_cfg)
        and type(module).init_weights is not BaseModule.init_weights
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _other_shape(path, name, found, module, own):
    return (
        f"pretrained weights '{path}': '{name}' has shape {tuple(found.shape)}, that of "
        f"{type(module).__name__} {tuple(own.shape)}."
    )


def without_pretrained(network: nn.Module) -> None:
    """Remove the files of initial weights from a network that gets other weights."""
    for module in network.modules():
        if not isinstance(module, BaseModule):
            continue
        if isinstance(module.init_cfg, list):
            module.init_cfg = [cfg for cfg in module.init_cfg if not is_pretrained(cfg)]
        elif is_pretrained(module.init_cfg):
            module.init_cfg = None


def is_pretrained(init_cfg: object) -> bool:
    """Whether an ``init_cfg`` names a file."""
    return isinstance(init_cfg, dict) and "checkpoint" in init_cfg
