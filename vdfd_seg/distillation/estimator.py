"""Mean gradient of a task's outputs (G_i of the paper's formula 2)."""

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from vdfd_seg.distillation.memory import GradientMemory, truncated_svd
from vdfd_seg.distillation.probes import Probes
from vdfd_seg.errors import InputError


class MeanGradientEstimator:
    """Gradient, by each penalised parameter, of the mean logit of each class of a task.

    For class c with logit ``f_c(x, p)`` at pixel p of image x::

        G_c = 1 / |M| * sum over (x, p) in M of d f_c(x, p) / d w,

    averaged over the kernel. M are all pixels of all images; a classifier's image counts as one
    pixel. Sums are in float64 and divided once, by the count over all batches and processes.

    Used as a context manager: inside it the network is in evaluation mode, with frozen weights
    and hooks; all is restored on leaving.

    Args:
        module: The network.
        params: Its penalised parameters, see :func:`penalisable_parameters`.
        outputs: Output channels of the task's C classes.
        chunk: Number of classes differentiated in one batched backward pass; memory grows with
            it. Default 2.

    Raises:
        InputError: For parameters of unknown kinds, and arguments out of range.
    """

    def __init__(
        self,
        module: nn.Module,
        params: Mapping[str, nn.Parameter],
        outputs: Iterable[int],
        chunk: int = 2,
    ) -> None:
        self.params = dict(params)
        self.outputs = [int(output) for output in outputs]
        if not self.params or not self.outputs:
            raise InputError("a mean gradient needs at least one parameter and one output.")
        self.chunk = chunk
        if chunk < 1:
            raise InputError(f"chunk must be at least 1, not {chunk}.")
        self.images = 0
        self._probes = Probes(module, self.params)
        device = next(iter(self.params.values())).device
        classes = len(self.outputs)
        self._count = torch.zeros(1, dtype=torch.float64, device=device)
        self._sums = {
            name: torch.zeros(classes, layout.filters, dtype=torch.float64, device=device)
            for name, layout in self._probes.layouts.items()
        }
        self._reached: set[str] = set()

    def __enter__(self) -> "MeanGradientEstimator":
        self._probes.__enter__()
        return self

    def __exit__(self, *exception: object) -> None:
        self._probes.__exit__(*exception)

    def update(self, forward: Callable[[Any], Tensor], inputs: Any) -> None:
        """Add a batch.

        Args:
            forward: Calls the network; returns logits ``(N, channels)`` or
                ``(N, channels, H, W)`` of the inputs.
            inputs: Given to ``forward``.

        Raises:
            InputError: Outside the context, or for too few channels.
        """
        if not self._probes.leaves:
            raise InputError("MeanGradientEstimator.update is for use inside its context.")
        with torch.enable_grad():
            self._probes.before_forward()
            logits = forward(inputs)
            if logits.ndim < 2 or logits.shape[1] <= max(self.outputs):
                raise InputError(
                    f"logits of shape {tuple(logits.shape)} have no channel {max(self.outputs)}."
                )
            chosen = logits[:, self.outputs].reshape(len(logits), len(self.outputs), -1)
            chosen = chosen.to(torch.promote_types(logits.dtype, torch.float32))
            sums = chosen.sum((0, 2))
            self._probes.after_forward(sums)
        self.images += len(logits)
        self._count += chosen.shape[0] * chosen.shape[2]
        if sums.requires_grad:
            self._differentiate(sums)

    def _differentiate(self, sums: Tensor) -> None:
        names, leaves = zip(*self._probes.leaves.items(), strict=True)
        basis = torch.eye(len(sums), device=sums.device, dtype=sums.dtype)
        start = 0
        while start < len(sums):
            rows = slice(start, start + self.chunk)
            start += len(basis[rows])
            gradients = self._vector_jacobian(sums, leaves, basis[rows], start < len(sums))
            for name, gradient in zip(names, gradients, strict=True):
                if gradient is None:
                    continue
                self._reached.add(name)
                self._sums[name][rows] += self._probes.kernel_means(name, gradient).double()

    def _vector_jacobian(
        self, sums: Tensor, leaves: Sequence[Tensor], rows: Tensor, retain: bool
    ) -> Sequence[Tensor | None]:
        """Gradients of chosen class sums by every leaf, one row per class."""
        if len(rows) > 1:
            try:
                return torch.autograd.grad(
                    sums, leaves, rows, retain_graph=True, is_grads_batched=True, allow_unused=True
                )
            except (RuntimeError, NotImplementedError) as error:
                if isinstance(error, torch.OutOfMemoryError):
                    raise
                warnings.warn(
                    f"no batched backward pass through this network ({error}); "
                    "continuing with one backward pass per class.",
                    stacklevel=4,
                )
                self.chunk = 1
        by_class = [
            torch.autograd.grad(
                sums, leaves, row, retain_graph=retain or i + 1 < len(rows), allow_unused=True
            )
            for i, row in enumerate(rows)
        ]
        return [None if parts[0] is None else torch.stack(parts) for parts in zip(*by_class)]

    def mean_gradients(self) -> dict[str, Tensor]:
        """``(d, C)`` float64 mean gradient of each parameter that an output depends on.

        Summed over all processes where ``torch.distributed`` is initialised.

        Raises:
            InputError: If no image was seen, no parameter was reached, or a gradient is not
                finite.
        """
        names = list(self._sums)
        reached = self._count.new_tensor([name in self._reached for name in names])
        images = self._count.new_tensor([self.images])
        flat = [self._count, images, reached, *(self._sums[name].flatten() for name in names)]
        total = torch.cat(flat)
        if dist.is_available() and dist.is_initialized():
            dist.all_reduce(total)
        count, images, reached, *sums = total.split([each.numel() for each in flat])
        self._total_images = int(images)
        if not self._total_images:
            raise InputError("no image was seen: a mean gradient needs at least one.")
        found = {
            name: (each.view(len(self.outputs), -1) / count).t()
            for name, each, hit in zip(names, sums, reached.tolist(), strict=True)
            if hit
        }
        if not found:
            raise InputError("none of the given parameters has a gradient from the outputs.")
        for name, gradient in found.items():
            if not gradient.isfinite().all():
                raise InputError(f"the mean gradient of parameter '{name}' is not finite.")
        return found

    def compute(
        self,
        rank: int = 1,
        prototypes: Tensor | None = None,
        classifier: Mapping[str, Any] | None = None,
    ) -> GradientMemory:
        """The task's memory, with the network's present weights as w*, in float32.

        Args:
            rank: Rank r of the compression. Default 1, as in the released code.
            prototypes: ``(C, d)`` classifier rows of the task's classes.
            classifier: The classifier's own part, see :class:`GradientMemory`.

        Raises:
            InputError: As :meth:`mean_gradients`, and for a rank below 1 or prototypes of another
                number of classes.
        """
        if rank < 1:
            raise InputError(f"rank must be at least 1, not {rank}.")
        classes = len(self.outputs)
        if prototypes is not None and len(prototypes) != classes:
            raise InputError(f"{len(prototypes)} prototypes were given for {classes} outputs.")
        rows = None if prototypes is None else prototypes.detach().flatten(1).float().clone()
        left, right = {}, {}
        star = self._count.new_zeros(classes)
        layouts = self._probes.layouts
        for name, gradient in self.mean_gradients().items():
            factors = truncated_svd(gradient, rank)
            left[name], right[name] = (factor.float().contiguous() for factor in factors)
            sums = layouts[name].sums(self.params[name].detach(), torch.float64)
            star += right[name].double().t() @ (left[name].double().t() @ sums)
        return GradientMemory(
            left=left,
            right=right,
            layouts={name: layouts[name] for name in left},
            projection_star=star,
            outputs=list(self.outputs),
            prototypes=rows,
            unreached=[name for name in self.params if name not in left],
            classifier=None if classifier is None else dict(classifier),
            images=self._total_images,
        )
