"""Rows of new classes made of the old ones, before a step trains."""

import torch
import torch.nn.functional as F
from mmengine.dist import all_reduce
from torch import Tensor

from vdfd_seg.losses import unbiased_cross_entropy
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.feature_cache import FeatureCache, pixels_of

PASSES = 5
"""Passes over the step's images, each with one augmented view, in batches of :data:`BATCH`."""

BATCH = 8

LEARNING_RATE = 0.01
"""Of Adam."""


def pretune(context: TaskContext) -> None:
    r"""Start the new rows of the main head as learned combinations of the old ones, in place.

    .. math::
        w_c = \sum_{k<K} a_{ck}\, (M_{ck} \odot w_k), \qquad
        w_0 \leftarrow \lVert w_0 \rVert \frac{m \odot w_0}{\lVert m \odot w_0 \rVert}

    The shares a, the masks M and m, and the new biases are learned by the unbiased cross-entropy
    on the step's labels, which hide the old classes in the background. M starts as
    :func:`importances`, a as the softmax over old classes of its sums, m as ones, the biases as the
    background's.

    Xie et al., "Early Preparation Pays Off: New Classifier Pre-tuning for Class Incremental
    Semantic Segmentation" (NeST), ECCV 2024.
    """
    layer = context.adapter.network.get_submodule(context.adapter.classifier_name)
    num_old, num_new = context.num_old, len(layer.weight) - context.num_old
    old = layer.weight.detach()[:num_old].flatten(1).clone()
    bias = old.new_zeros(num_old) if layer.bias is None else layer.bias.detach()[:num_old].clone()
    cache = FeatureCache(context, 1)
    masks = importances(context, cache, old, bias)
    shares = masks.sum(-1).softmax(-1)
    new_bias = bias[0].repeat(num_new)
    background = torch.ones_like(old[0])
    trained = [masks, shares, background] + ([] if layer.bias is None else [new_bias])
    optimizer = torch.optim.Adam([each.requires_grad_() for each in trained], lr=LEARNING_RATE)
    generator = torch.Generator().manual_seed(context.seed)
    for _ in range(PASSES):
        for views in torch.randperm(len(cache), generator=generator).split(BATCH):
            new = torch.einsum("nk,nkd,kd->nd", shares, masks, old)
            rows = torch.cat([background * old[:1], old[1:], new])
            features = cache.features[views].to(old)
            scores = F.conv2d(features, rows[:, :, None, None], torch.cat([bias, new_bias]))
            labels = cache.labels[views].to(old.device).long()
            loss = unbiased_cross_entropy(scores, labels, num_old)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    with torch.no_grad():
        turned = F.normalize(background * old[0], dim=0) * old[0].norm()
        layer.weight[0] = turned[:, None, None]
        new = torch.einsum("nk,nkd,kd->nd", shares, masks, old)
        layer.weight[num_old:] = new[:, :, None, None]
        if layer.bias is not None:
            layer.bias[num_old:] = new_bias
    context.log(f"pre-tuned the rows of {num_new} new classes on {len(cache)} images")


@torch.no_grad()
def importances(context: TaskContext, cache: FeatureCache, rows: Tensor, bias: Tensor) -> Tensor:
    r"""How much each weight of an old class speaks for it on pixels of each new class.

    .. math::
        M_{ckj} = \mathrm{mean}_{p: y_p = c}\, [x_{p,j} w_{kj} > 0]\, \tilde q_{p,k}

    with the features x and the old network's probabilities :math:`\tilde q`; 0 for a class that no
    position of the images shows. ``(N, K, d)`` for the N new classes and the old ones' ``rows``
    ``(K, d)`` and ``bias`` ``(K,)``, over all processes.
    """
    classes = range(context.num_old, context.protocol.num_classes(context.step))
    found = rows.new_zeros(len(classes), *rows.shape)
    counts = rows.new_zeros(len(classes), 1, 1)
    for features, labels in pixels_of(context, 1, cache):
        for number, label in enumerate(classes):
            x = features[labels == label]
            q = F.linear(x, rows, bias).softmax(1)
            found[number] += (rows > 0) * (q.T @ (x > 0).to(q))
            found[number] += (rows < 0) * (q.T @ (x < 0).to(q))
            counts[number] += len(x)
    all_reduce(found)
    all_reduce(counts)
    return found / counts.clamp(min=1)
