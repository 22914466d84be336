"""Controls of the experiments, as methods of their own."""

from dataclasses import replace

import torch
from proximal import proximal_step
from random_directions import random_directions

from vdfd_seg.methods import EWC, VDFD
from vdfd_seg.methods.common.options import option
from vdfd_seg.registry import METHODS
from vdfd_seg.utils.seeding import derived_seed


@METHODS.register_module()
class VDFDRandomDirections(VDFD):
    """VDFD whose gradients are replaced by random directions of the same norm."""

    def estimate(self, context):
        memory = super().estimate(context)
        return random_directions(memory, self.penalised(context), seed=context.seed)


@METHODS.register_module()
class VDFDProximal(VDFD):
    """VDFD whose quadratic term is an implicit step after each step of the optimiser.

    In the loss it trains the GCN alone.
    """

    def terms(self):
        return self.penalty.terms(self.penalty.stacked_displacements().detach())

    def after_update(self, adapter, learning_rate):
        super().after_update(adapter, learning_rate)
        if self.penalty is not None:
            sizes = {k: learning_rate * p.requires_grad for k, p in self.penalty.params.items()}
            proximal_step(self.penalty, self.weight, sizes)


@METHODS.register_module()
class EWCPermuted(EWC):
    """EWC with each parameter's importances permuted at random."""

    def estimate(self, context):
        return permuted(super().estimate(context), context.seed)


@METHODS.register_module()
class EWCPerFilter(EWC):
    """EWC with one importance a filter, the mean over its kernel, and no more carried.

    Args:
        permuted: Permute each parameter's importances at random.
        **options: EWC's.
    """

    permuted: bool = option(False)

    def before_task(self, context):
        shapes = {name: p.shape for name, p in context.adapter.network.named_parameters()}
        whole = {
            name: expanded(value, shapes[name]).flatten()
            for name, value in context.carried.get("importance", {}).items()
        }
        super().before_task(replace(context, carried={**context.carried, "importance": whole}))

    def estimate(self, context):
        found = super().estimate(context)
        means = {k: v.flatten(1).mean(1) if v.ndim > 1 else v for k, v in found.items()}
        if self.permuted:
            means = permuted(means, context.seed)
        return {name: expanded(mean, found[name].shape) for name, mean in means.items()}

    def after_task(self, context):
        shapes = {name: p.shape for name, p in context.adapter.network.named_parameters()}
        whole = super().after_task(context)["importance"]
        first = {k: v.view(shapes[k][0], -1)[:, 0].clone() for k, v in whole.items()}
        return {"importance": first}


def expanded(values, shape):
    """One value a filter ``(d,)``, for each of its weights."""
    return values.view(-1, *[1] * (len(shape) - 1)).expand(shape)


def permuted(found, seed):
    """The numbers of each tensor, at random places."""
    draw = torch.Generator().manual_seed(derived_seed(seed, "permuted"))
    return {
        name: value.flatten()[torch.randperm(value.numel(), generator=draw)].view_as(value)
        for name, value in found.items()
    }
