"""Features of a step's images, as the network has them at one moment."""

import torch
from mmengine.dist import all_gather_object, get_dist_info
from torch import Tensor

from vdfd_seg.datasets.data import Sample
from vdfd_seg.methods.common.context import TaskContext


@torch.no_grad()
def features_of(
    context: TaskContext, samples: list[Sample], rotations: int = 0
) -> tuple[Tensor, Tensor]:
    """A classifier's features of all samples, without augmentation and in evaluation mode.

    Args:
        context: The step.
        samples: Training images.
        rotations: By how many times 90 degrees they are rotated; default 0.

    Returns:
        Features ``(N, d)`` float64 and labels ``(N,)`` int64, in the order of the samples, on the
        CPU and the same on every process.
    """
    adapter = context.adapter
    training = adapter.network.training
    adapter.network.eval()
    parts = [
        (
            adapter.outputs(inputs.rot90(rotations, (2, 3))).embedding.double().cpu(),
            batch.labels.cpu(),
        )
        for inputs, batch in context.batches(samples=samples)
    ]
    adapter.network.train(training)
    # Process r of W has every W-th sample.
    shares = all_gather_object(tuple(torch.cat(each) for each in zip(*parts)) if parts else None)
    world = get_dist_info()[1]
    width = next(share[0].shape[1] for share in shares if share is not None)
    features = torch.empty(len(samples), width, dtype=torch.float64)
    labels = torch.empty(len(samples), dtype=torch.int64)
    for rank, share in enumerate(shares):
        if share is not None:
            features[rank::world], labels[rank::world] = share
    return features, labels
