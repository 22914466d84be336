"""Growing a network's classifier when classes arrive."""

import math
from collections.abc import Sequence

import torch
from mmseg.models import decode_heads
from torch import Tensor, nn

from vdfd_seg.errors import InputError

INITIALISATIONS = ("random", "background", "weights", "balanced", "pretuned")

_CLASS_ROWS: dict[type, tuple[str, ...]] = {}


def register_class_rows(head: type, names: Sequence[str]) -> None:
    """Declare which parameters of a head's class have one row per class, by name.

    Of ``names`` such as ``("conv_seg.weight",)``; a subclass may have others, and is not covered.
    """
    _CLASS_ROWS[head] = tuple(names)


for _name in (
    "ASPPHead", "DepthwiseSeparableASPPHead", "FCNHead", "DepthwiseSeparableFCNHead", "PSPHead",
    "UPerHead", "ANNHead", "APCHead", "CCHead", "DMHead", "DNLHead", "GCHead",
    "ISAHead", "LRASPPHead", "NLHead", "PSAHead", "SegformerHead", "SETRMLAHead", "SETRUPHead",
    "FPNHead", "LightHamHead", "DPTHead", "EMAHead", "OCRHead",
):  # fmt: skip
    if hasattr(decode_heads, _name):
        register_class_rows(getattr(decode_heads, _name), ("conv_seg.weight", "conv_seg.bias"))
register_class_rows(
    decode_heads.SegmenterMaskTransformerHead, ("cls_emb", "mask_norm.weight", "mask_norm.bias")
)
# Its two outputs say where classes meet.
register_class_rows(decode_heads.STDCHead, ())

UNSUITED = {
    **dict.fromkeys(
        ("DAHead", "DDRHead", "PIDHead", "IterativeDecodeHead"),
        "it trains several maps of scores, each with a classifier of its own",
    ),
    "EncHead": "it learns which classes an image has, and would take an old one for absent where "
    "it is labelled as background",
    "PointHead": "it scores points that it chooses, and no map that a method could compare",
    **dict.fromkeys(
        ("MaskFormerHead", "Mask2FormerHead"),
        "it classifies masks in place of pixels, and needs mmdet and compiled operators of mmcv",
    ),
    "SideAdapterCLIPHead": "its classes are texts that CLIP encodes, with no row a class",
    "VPDDepthHead": "it predicts depth, and no classes",
}
"""Heads of mmsegmentation that cannot grow, by name, and why."""


def classes_first(rows: Tensor) -> Tensor:
    """A parameter with one row a class: of class embeddings ``(1, C, d)`` without the first 1."""
    return rows[0] if rows.ndim == 3 and len(rows) == 1 else rows


def has_no_classes(head: type) -> bool:
    """Whether a kind of head predicts something else than classes, so that it does not grow."""
    return _CLASS_ROWS.get(head) == ()


def class_rows(head: nn.Module) -> tuple[str, ...]:
    """Names of the parameters of ``head`` that have one row per class.

    Raises:
        InputError: For a head that is not registered, naming it.
    """
    if type(head) not in _CLASS_ROWS:
        raise InputError(
            f"don't know which parameters of the head {type(head).__name__} have one row per "
            f"class, so it cannot grow; declare them with "
            f"vdfd_seg.models.register_class_rows({type(head).__name__}, (...)). Known: "
            f"{', '.join(sorted(kind.__name__ for kind in _CLASS_ROWS))}."
        )
    return _CLASS_ROWS[type(head)]


def check_names(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    """Refuse a checkpoint with other parameters than the config's model, naming one."""
    for problem, names in (
        ("lacks the", expected.keys() - found.keys()),
        ("has an unknown", found.keys() - expected.keys()),
    ):
        if names:
            raise InputError(
                f"the checkpoint {problem} parameter '{min(names)}' ({len(names)} in all): it "
                f"belongs to another network than the config's model."
            )


def check_shape(name: str, found: Tensor, expected: Tensor) -> None:
    """Refuse a parameter of another shape."""
    if found.shape != expected.shape:
        raise InputError(
            f"parameter '{name}' has shape {tuple(found.shape)} in the checkpoint and "
            f"{tuple(expected.shape)} in the config's model."
        )


@torch.no_grad()
def grow(
    network: nn.Module,
    old_state: dict[str, Tensor],
    rows: Sequence[str],
    num_old: int,
    init: str = "random",
) -> None:
    """Load a smaller network's weights and initialise the rows of new classes.

    Args:
        network: The network of the current step, freshly initialised.
        old_state: Weights of the network of the step before.
        rows: Parameters with one row per class.
        num_old: Rows that exist already.
        init: ``"random"`` leaves the fresh rows, as does ``"pretuned"``, for
            :func:`vdfd_seg.methods.common.pretuning.pretune`; ``"background"`` copies the
            background's row (row 0), ``"weights"`` without its bias (RCIL's code for VOC);
            ``"balanced"`` copies it and takes :math:`\\log(N + 1)` from the biases of the
            background and of the N new classes, so that together they have the background's old
            probability (MiB, Cermelli et al., CVPR 2020, section 3.3).

    Raises:
        InputError: For weights of another architecture, naming the parameter.
    """
    if init not in INITIALISATIONS:
        raise InputError(f"new_rows='{init}' is not one of {INITIALISATIONS}.")
    state = network.state_dict()
    check_names(old_state, state)
    for name, new in state.items():
        old = old_state[name]
        if name not in rows:
            check_shape(name, old, new)
            new.copy_(old)
            continue
        new, old = classes_first(new), classes_first(old)
        if old.shape[0] != num_old or old.shape[1:] != new.shape[1:]:
            raise InputError(
                f"classifier '{name}' has shape {tuple(old.shape)} in the checkpoint, but "
                f"{num_old} old classes of shape {tuple(new.shape[1:])} are expected."
            )
        new[:num_old] = old
        added = new.shape[0] - num_old
        if init in ("random", "pretuned") or not added or (init == "weights" and new.ndim == 1):
            continue
        new[num_old:] = old[0]
        if init == "balanced" and new.ndim == 1:
            new[0] = new[num_old:] = old[0] - math.log(added + 1)
