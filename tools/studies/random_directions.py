"""Memories that a real one is to be compared with: is it the directions that matter?"""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from vdfd_seg.distillation import GradientMemory


def random_directions(
    memory: GradientMemory, params: Mapping[str, Tensor], seed: int
) -> GradientMemory:
    """The control: a memory as stiff as the given one whose directions know nothing of the task.

    For each parameter ``left_l @ right_l = U S V.T`` becomes ``U' S V'.T`` with the same singular
    values S, hence the same rank and Frobenius norm, and random orthonormal U' ``(d_l, r)`` and V'
    ``(C, r)``. A penalty on it is a quadratic form of the same size that does not depend on the
    old task's outputs. What a method gains with the real memory over this one, it gains by
    holding on to the old outputs; what it gains with both, it gains by stiffness, for example
    because the new task is learned with smaller steps.

    Prototypes, outputs and the classifier's own part are kept.

    Args:
        memory: A task's memory.
        params: Its parameters by name, at the task's final weights w*: the displacement is zero
            there, as the real one's.
        seed: Of the random vectors. Give each task another, or all tasks share their directions.

    Returns:
        The control, with float32 factors on the memory's device.
    """
    generator = torch.Generator().manual_seed(seed)
    left, right = {}, {}
    star = torch.zeros(memory.num_classes, dtype=torch.float64)
    for name, factor in memory.left.items():
        rank = factor.shape[1]
        product = factor.double().cpu() @ memory.right[name].double().cpu()
        singular = torch.linalg.svdvals(product)[:rank]
        filters, classes = product.shape
        rank = len(singular)
        new_left = _orthonormal(filters, rank, generator) * singular
        new_right = _orthonormal(classes, rank, generator).t()
        left[name] = new_left.float().to(factor.device)
        right[name] = new_right.float().contiguous().to(factor.device)
        sums = memory.layouts[name].sums(params[name].detach(), torch.float64).cpu()
        # From the rounded factors, as these are what a displacement is computed with.
        star += right[name].double().cpu().t() @ (left[name].double().cpu().t() @ sums)
    star = star.to(memory.projection_star.device)
    return replace(memory, left=left, right=right, projection_star=star)


def _orthonormal(size: int, count: int, generator: torch.Generator) -> Tensor:
    """``count`` orthonormal columns ``(size, count)``, uniformly distributed."""
    columns = torch.randn(size, count, generator=generator, dtype=torch.float64)
    basis, triangle = torch.linalg.qr(columns)
    # The decomposition has a sign of its own, which would bias a single column.
    return basis * torch.where(triangle.diagonal() < 0, -1.0, 1.0)
