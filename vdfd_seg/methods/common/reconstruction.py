"""A head that keeps what its backbone knows, for classes that are yet to come."""

import math
from itertools import islice

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce_params, broadcast, get_world_size
from torch import Tensor, nn

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.models.adapters.head_losses import head_losses

WEIGHT = 10.0
r""":math:`\alpha`, the weight of the reconstruction."""

LEARNING_RATE = 0.003
"""Of Adam for the head, ten times that for the reconstruction; both fall to 0 in n iterations as
:math:`(1 - i / n)^{0.9}`."""


def reconstruct_backbone(context: TaskContext, iterations: int) -> None:
    r"""Train the main head until the backbone's maps can be read off its features.

    .. math::
        L = L_{task} + \alpha\, \mathrm{mean} \big( (A\, h(b) - \hat b)^2 \big)

    with the deepest map b that the head takes, whose backbone does not change, :math:`\hat b` of
    mean 0 and variance 1 in each channel of a batch, the features h(b) before the head's dropout,
    and a 1x1 convolution A that is thrown away. A head that was trained on few classes keeps only
    what tells these apart.

    Args:
        context: The end of a step. Its augmented views are what is trained on.
        iterations: How many, of the training's batch size.
    """
    adapter = context.adapter
    network, head = adapter.network, adapter.head
    network.requires_grad_(False).eval()
    head.requires_grad_(True).train()
    assert context.views is not None
    with torch.no_grad():
        # So many views that a first batch is whole where the images are few.
        first = adapter.outputs(next(iter(context.views(64)))[0])
    torch.manual_seed(context.seed)
    decoder = nn.Conv2d(first.before_dropout.shape[1], adapter.body(first)[-1].shape[1], 1)
    decoder.to(context.device)
    rates = {head: LEARNING_RATE, decoder: 10 * LEARNING_RATE}
    optimizer = torch.optim.Adam(
        [{"params": list(each.parameters()), "lr": rate} for each, rate in rates.items()]
    )
    trained = [*head.parameters(), *decoder.parameters()]
    for tensor in decoder.parameters():
        broadcast(tensor.data)
    falling = torch.optim.lr_scheduler.PolynomialLR(optimizer, iterations, power=0.9)
    images = iterations * len(first.inputs) * get_world_size()
    views = context.views(math.ceil(images / len(context.samples)))
    for inputs, samples in islice(views, iterations):
        outputs = adapter.outputs(inputs)
        terms = head_losses(head, outputs.logits, samples)
        task = sum(value for name, value in terms.items() if "loss" in name)
        kept = reconstruction_loss(decoder(outputs.before_dropout), adapter.body(outputs)[-1])
        optimizer.zero_grad()
        (task + WEIGHT * kept).backward()
        all_reduce_params([p.grad for p in trained if p.grad is not None], op="mean")
        optimizer.step()
        falling.step()
    # Plain batch norm counts in each process for itself: all continue with the first's.
    for buffer in head.buffers():
        broadcast(buffer)
    network.eval()
    context.log(f"the head keeps all but {kept.item():.2f} of the variance of the backbone's map")


def reconstruction_loss(found: Tensor, target: Tensor) -> Tensor:
    r"""Mean square of ``found`` less the target of mean 0 and variance 1 in each channel.

    ``found`` ``(N, C, h, w)`` is resized to the target ``(N, C, H, W)``.
    """
    whitened = F.batch_norm(target.float(), None, None, training=True)
    if found.shape[-2:] != whitened.shape[-2:]:
        found = F.interpolate(found, whitened.shape[-2:], mode="bilinear", align_corners=False)
    return (found.float() - whitened).square().mean()
