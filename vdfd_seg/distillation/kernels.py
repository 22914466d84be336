"""Which parameters can be penalised, and what is kept of each: its kernel sums.

The released VDFD code averages the gradient of a weight over all but its filter dimension and
broadcasts the mean back, so that its projection is ``sum_o g[o] * sum_k w[o, k]``. A weight
therefore enters every formula only through its *kernel sums* ``z[o] = sum_k w[o, k]``, one number
per filter, and its gradient only through the *kernel means* ``g[o] = mean_k dF/dw[o, k]``.
"""

import math
from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.modules.linear import NonDynamicallyQuantizableLinear

from vdfd_seg.errors import InputError

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
TRANSPOSED_CONVOLUTIONS = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
DEFAULT_EXCLUDE = ("decode_head.conv_seg", "auxiliary_head")


@dataclass(frozen=True)
class KernelLayout:
    """How a parameter divides into filters.

    Attributes:
        shape: Shape of the parameter.
        groups: Number of groups of a transposed convolution, whose weight is
            ``(C_in, C_out / groups, ...)``; 0 for every other parameter, whose first dimension
            is the filter.
        apart: Whether every number is a filter of its own, as in the classifier's rows.
    """

    shape: tuple[int, ...]
    groups: int = 0
    apart: bool = False

    @property
    def filters(self) -> int:
        """Number of filters d: the length of the kernel sums."""
        if self.apart:
            return math.prod(self.shape)
        if self.groups:
            return self.groups * self.shape[1]
        return self.shape[0] if self.shape else 1

    @property
    def width(self) -> int:
        """How many numbers there are for each entry of the first dimension: the length of a row."""
        return math.prod(self.shape[1:])

    @property
    def entries(self) -> int:
        """Number of kernel entries K of one filter."""
        return math.prod(self.shape) // self.filters

    def sums(self, weight: Tensor, dtype: torch.dtype) -> Tensor:
        """Kernel sums ``z[o] = sum_k w[o, k]`` of a tensor shaped as the parameter: ``(d,)``."""
        if self.groups:
            grouped = weight.reshape(self.groups, -1, self.shape[1], *self.shape[2:])
            return grouped.sum([1, *range(3, grouped.ndim)], dtype=dtype).flatten()
        if len(self.shape) > 1 and not self.apart:
            return weight.sum(list(range(1, weight.ndim)), dtype=dtype)
        return weight.reshape(-1).to(dtype)

    def broadcast(self, values: Tensor) -> Tensor:
        """One value per filter ``(d,)``, at every entry of its kernel: in the parameter's shape."""
        if self.groups:
            kernel = [1] * (len(self.shape) - 2)
            grouped = values.view(self.groups, 1, self.shape[1], *kernel)
            inputs = self.shape[0] // self.groups
            return grouped.expand(-1, inputs, *self.shape[1:]).reshape(self.shape)
        if self.apart:
            return values.reshape(self.shape)
        return values.view(self.shape[:1] + (1,) * (len(self.shape) - 1)).expand(self.shape)


def layout_of(owner: nn.Module, attribute: str, parameter: Tensor) -> KernelLayout | None:
    """The layout of ``owner.attribute``, or None if the kind is not known.

    Known are one-dimensional parameters of any module, which need no averaging, and the weights of
    convolutions, transposed convolutions, linear layers and layer norms.
    """
    shape = tuple(parameter.shape)
    if len(shape) <= 1 or isinstance(owner, nn.LayerNorm):
        return KernelLayout(shape)
    if attribute != "weight" or isinstance(owner, NonDynamicallyQuantizableLinear):
        return None  # the latter, in nn.MultiheadAttention, is read without being called
    if isinstance(owner, TRANSPOSED_CONVOLUTIONS):
        return KernelLayout(shape, groups=owner.groups)
    if isinstance(owner, (*CONVOLUTIONS, nn.Linear)):
        return KernelLayout(shape)
    return None


def owners_of(module: nn.Module) -> dict[int, list[tuple[nn.Module, str]]]:
    """All places ``(submodule, attribute)`` of each parameter, by the parameter's ``id``."""
    owners: dict[int, list[tuple[nn.Module, str]]] = {}
    for submodule in module.modules():
        for attribute, parameter in submodule.named_parameters(recurse=False):
            owners.setdefault(id(parameter), []).append((submodule, attribute))
    return owners


def layouts_of(module: nn.Module, params: Mapping[str, Tensor]) -> dict[str, KernelLayout]:
    """Layout of each of the ``params`` of ``module``.

    Raises:
        InputError: For a parameter that is not the module's, is of an unknown kind, or is shared
            by layers that divide it into filters differently; the message names it.
    """
    return _layouts(owners_of(module), params)


def _layouts(owners, params):
    layouts = {}
    for name, parameter in params.items():
        places = owners.get(id(parameter))
        if not places:
            raise InputError(f"parameter '{name}' does not belong to the given module.")
        found = {layout_of(owner, attribute, parameter) for owner, attribute in places}
        if len(found) != 1 or None in found:
            kinds = ", ".join(sorted({type(owner).__name__ for owner, _ in places}))
            raise InputError(
                f"parameter '{name}' of {kinds}, shape {tuple(parameter.shape)}, is of a kind "
                "whose mean gradient is not known. Exclude it, or leave such parameters out with "
                "unknown='skip'."
            )
        layouts[name] = found.pop()
    return layouts


def penalisable_parameters(
    module: nn.Module,
    exclude: Iterable[str] = DEFAULT_EXCLUDE,
    unknown: str = "error",
    known: Container[str] = (),
) -> dict[str, nn.Parameter]:
    """The parameters of a network that a gradient memory can cover, by name, in its order.

    Args:
        module: The network.
        exclude: Names of parameters, or of modules whose parameters all are left out. Default:
            the classifier and the auxiliary heads of a segmentor of mmsegmentation.
        unknown: What to do with a parameter of an unknown kind: ``'error'`` (default) or
            ``'skip'``.
        known: Names of frozen parameters to take all the same: those that an earlier task's
            memory covers. Others are left out.

    Raises:
        InputError: For a parameter of an unknown kind (the message names it), or a bad
            ``unknown``.
    """
    if unknown not in ("error", "skip"):
        raise InputError(f"unknown must be 'error' or 'skip', not {unknown!r}.")
    # With a dot after both, a name is not taken for another that starts like it.
    exclude = (exclude,) if isinstance(exclude, str) else exclude
    exclude = tuple(item.rstrip(".") + "." for item in exclude)
    owners, found = owners_of(module), {}
    for name, parameter in module.named_parameters():
        if not (parameter.requires_grad or name in known) or f"{name}.".startswith(exclude):
            continue
        try:
            _layouts(owners, {name: parameter})
        except InputError:
            if unknown == "error":
                raise
            continue
        found[name] = parameter
    return found
