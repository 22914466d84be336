"""Kernel means of gradients without weight gradients.

For a filter o of a convolution ``y = w * x`` with K kernel entries, at any output position p::

    mean_k dF/dw[o, k] = sum_p dF/dy[o, p] * s[p] / K,    s[p] = sum of the input patch under p

because all entries of a filter see the same gradient at its output. The right-hand side is the
derivative of F by a scalar ``probe[o]`` that enters as ``y[o, p] + probe[o] * s[p] / K`` and is
zero. A forward hook adds the probes, so that one backward pass by the probes gives every kernel
mean and no weight gradient is formed. One-dimensional parameters need no averaging and are their
own probes.
"""

from collections import Counter
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vdfd_seg.distillation.kernels import (
    CONVOLUTIONS,
    TRANSPOSED_CONVOLUTIONS,
    KernelLayout,
    layouts_of,
    owners_of,
)
from vdfd_seg.errors import InputError

_PLAIN = (*CONVOLUTIONS, *TRANSPOSED_CONVOLUTIONS, nn.Linear)


class _AddProbe(torch.autograd.Function):
    """``y + probe * s`` for a probe of zeros, differentiated by y and probe.

    Written out because autograd would form the outer product of probe and s, and in the backward
    pass a product as large as the gradient, where a matrix-vector product suffices.
    """

    @staticmethod
    def forward(ctx, output: Tensor, probe: Tensor, patch_sums: Tensor, last: bool) -> Tensor:
        ctx.save_for_backward(patch_sums)
        ctx.filters_last = last
        # A new tensor: the next layer may be an in-place activation.
        return output.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, Tensor, None, None]:
        (patch_sums,) = ctx.saved_tensors  # (N, groups, positions)
        samples, groups, positions = patch_sums.shape
        by_filter = gradient.reshape(positions, -1).t() if ctx.filters_last else gradient
        grouped = by_filter.reshape(samples, groups, -1, positions).to(patch_sums.dtype)
        by_probe = torch.matmul(grouped, patch_sums.unsqueeze(-1)).sum(0).reshape(-1)
        return gradient, by_probe, None, None


def _patch_sums(layer: Any, inputs: Tensor, output: Tensor) -> Tensor:
    """Sum of the input patch under each output position: ``(N, groups, positions)``."""
    if isinstance(layer, nn.Linear):
        return inputs.sum(-1).reshape(1, 1, -1)
    spatial = layer.weight.ndim - 2
    if inputs.ndim == spatial + 1:
        inputs = inputs.unsqueeze(0)
    per_group = inputs.reshape(len(inputs), layer.groups, -1, *inputs.shape[2:]).sum(2)
    padding, output_padding = layer.padding, [0] * spatial
    if layer.transposed:
        # Read off the output: a caller may have asked for an output size.
        output_padding = layer._output_padding(
            per_group, list(output.shape[-spatial:]), layer.stride, padding, layer.kernel_size,
            spatial, layer.dilation,
        )  # fmt: skip
    elif layer.padding_mode != "zeros" or isinstance(padding, str):
        mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
        per_group = F.pad(per_group, layer._reversed_padding_repeated_twice, mode=mode)
        padding = (0,) * spatial
    ones = per_group.new_ones(layer.groups, 1, *layer.kernel_size)
    sums = torch.convolution(
        per_group, ones, None, layer.stride, padding, layer.dilation, layer.transposed,
        output_padding, layer.groups,
    )  # fmt: skip
    return sums.flatten(2)


def count_uses(output: Tensor) -> Counter[int]:
    """Number of operations that read each leaf on which ``output`` depends, by the leaf's id."""
    uses: Counter[int] = Counter()
    assert output.grad_fn is not None
    seen = {output.grad_fn}
    stack = [output.grad_fn]
    while stack:
        for node, _ in stack.pop().next_functions:
            if node is None:
                continue
            if hasattr(node, "variable"):
                uses[id(node.variable)] += 1
            elif node not in seen:
                seen.add(node)
                stack.append(node)
    return uses


class Probes:
    """Context in which a network, in evaluation mode, can be differentiated by its kernel sums.

    Args:
        module: The network.
        params: Its penalised parameters.

    Attributes:
        layouts: :class:`~vdfd_seg.distillation.kernels.KernelLayout` by name.
        leaves: Inside the context: for each name the tensor to differentiate by.
    """

    def __init__(self, module: nn.Module, params: Mapping[str, nn.Parameter]) -> None:
        self.module = module
        self.params = dict(params)
        self.layouts = layouts_of(module, params)
        self.leaves: dict[str, Tensor] = {}

    def __enter__(self) -> "Probes":
        self._training = [(each, each.training) for each in self.module.modules()]
        self._frozen = [(each, each.requires_grad) for each in self.module.parameters()]
        self._handles = []
        self._checked: set[nn.Module] = set()
        self._calls: Counter[str] = Counter()
        self._uses_checked = False
        self.module.eval()
        for parameter, _ in self._frozen:
            parameter.requires_grad_(False)
        owners = owners_of(self.module)
        for name, parameter in self.params.items():
            places = [owner for owner, _ in owners[id(parameter)] if isinstance(owner, _PLAIN)]
            if parameter.ndim <= 1 or not places:
                self.leaves[name] = parameter.requires_grad_(True)
                continue
            filters = self.layouts[name].filters
            dtype = torch.promote_types(parameter.dtype, torch.float32)
            probe = torch.zeros(filters, device=parameter.device, dtype=dtype)
            self.leaves[name] = probe.requires_grad_(True)
            for owner in places:
                hook = self._hook(name, probe, self.layouts[name])
                handle = owner.register_forward_hook(hook, prepend=True, with_kwargs=True)
                self._handles.append(handle)
        return self

    def __exit__(self, *exception: object) -> None:
        for handle in self._handles:
            handle.remove()
        for parameter, requires_grad in self._frozen:
            parameter.requires_grad_(requires_grad)
        for each, training in self._training:
            each.training = training
        self.leaves = {}

    def before_forward(self) -> None:
        """To be called before each forward pass."""
        if not self._uses_checked:
            self._calls.clear()
            self._require_grad_of_probed(True)

    def after_forward(self, output: Tensor) -> None:
        """Once, refuse a weight that is also read outside its layer's call.

        No hook would see that use, and the gradient would silently lack its share.
        """
        if self._uses_checked:
            return
        self._uses_checked = True
        self._require_grad_of_probed(False)
        if not output.requires_grad:
            return
        uses = count_uses(output)
        for name, parameter in self.params.items():
            is_probed = self.leaves[name] is not parameter
            if is_probed and uses[id(parameter)] > self._calls[name]:
                raise InputError(
                    f"parameter '{name}' is used outside the forward pass of its layer, so its "
                    "mean gradient is not known. Exclude it."
                )

    def _require_grad_of_probed(self, value: bool) -> None:
        for name, parameter in self.params.items():
            if self.leaves[name] is not parameter:
                parameter.requires_grad_(value)

    def kernel_means(self, name: str, gradients: Tensor) -> Tensor:
        """``(B, d)`` kernel means from the gradients by the leaf ``name``, one row per output."""
        layout = self.layouts[name]
        if gradients.shape[1:].numel() == layout.filters:
            return gradients.reshape(len(gradients), -1)
        return gradients.flatten(2).mean(2)

    def _hook(self, name: str, probe: Tensor, layout: KernelLayout):
        def add_probe(layer: nn.Module, args: tuple, kwargs: dict, output: Tensor) -> Tensor:
            self._calls[name] += 1
            inputs = args[0] if args else kwargs["input"]
            with torch.no_grad(), torch.autocast(inputs.device.type, enabled=False):
                self._check_plain(name, layer, inputs, output)
                inputs = inputs.to(probe.dtype)
                patch_sums = _patch_sums(layer, inputs, output) / layout.entries
            return _AddProbe.apply(output, probe, patch_sums, isinstance(layer, nn.Linear))

        return add_probe

    def _check_plain(self, name: str, layer: nn.Module, inputs: Tensor, output: Tensor) -> None:
        """Refuse a subclass that does not apply its weight as its base class does."""
        base = next(each for each in _PLAIN if isinstance(layer, each))
        if type(layer) is base or layer in self._checked:
            return
        self._checked.add(layer)
        # mypy does not see that base is a class of this very layer.
        expected = base.forward(layer, inputs.to(layer.weight.dtype))  # type: ignore[arg-type]
        expected = expected.to(output.dtype)
        near = 1e-2 * float(output.abs().max())
        same = expected.shape == output.shape
        if not (same and torch.allclose(expected, output, rtol=1e-2, atol=near)):
            raise InputError(
                f"parameter '{name}': {type(layer).__name__} does not use its weight as "
                f"{base.__name__} does, so its mean gradient is not known. Exclude it."
            )
