"""What the classifier takes of the augmented views of a step's images, computed once."""

from collections.abc import Iterator

import torch
from mmengine.dist import get_dist_info
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import Dataset

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.output_cache import draws_of, in_order


class FeatureCache(Dataset):
    """Embeddings of every view in half precision, and labels at their resolution.

    A data set that training draws from in place of images: an item is asked for by the pair that
    :class:`~vdfd_seg.datasets.sampler.DrawSampler` gives with ``num_views``.

    Args:
        context: The step.
        num_views: Views of an image.

    Attributes:
        features: ``(views, d, h, w)`` float16, in the order of the views' numbers.
        labels: ``(views, h, w)`` uint8: of the pixel in the middle of each position.
    """

    def __init__(self, context: TaskContext, num_views: int):
        self.num_views = num_views
        # MMEngine hands it to the visualizer.
        self.metainfo = {"classes": context.protocol.classes_seen(context.step)}
        batches = features_of_views(context, num_views)
        self.features, self.labels = in_order(
            (numbers, features.half(), labels.to(torch.uint8))
            for numbers, features, labels in batches
        )

    def __deepcopy__(self, memo: dict) -> "FeatureCache":
        """Itself: MMEngine copies a loader's config, and would all features."""
        return self

    def __len__(self) -> int:
        """Number of images."""
        return len(self.features) // self.num_views

    def __getitem__(self, key: tuple[int, int]) -> dict:
        """A view, packed as MMSegmentation packs an image."""
        number = key[1]
        sample = SegDataSample(metainfo={"draw": number})
        sample.gt_sem_seg = PixelData(data=self.labels[number][None].long())
        return {"inputs": self.features[number], "data_samples": sample}

    def share(self) -> Iterator[tuple[Tensor, ...]]:
        """Numbers, features and labels of a process's share of the views, in batches."""
        rank, world = get_dist_info()
        for numbers in torch.arange(rank, len(self.features), world).split(32):
            yield numbers, self.features[numbers], self.labels[numbers]


def pixels_of(
    context: TaskContext, num_views: int, cache: FeatureCache | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """What the classifier takes at every position of every view, in batches; a process's share.

    Args:
        context: The step.
        num_views: Augmented views of an image.
        cache: Of these views, where there is one.

    Yields:
        Features ``(P, d)`` float32 and labels ``(P,)`` int64, on the network's device.
    """
    batches = features_of_views(context, num_views) if cache is None else cache.share()
    for _, features, labels in batches:
        pixels = features.to(context.device).movedim(1, -1).flatten(0, 2).float()
        yield pixels, labels.to(context.device).flatten().long()


@torch.no_grad()
def features_of_views(context: TaskContext, num_views: int) -> Iterator[tuple[Tensor, ...]]:
    """Numbers, embeddings and labels at their resolution of a step's views, in batches."""
    assert context.views is not None
    adapter = context.adapter
    adapter.classifier()  # features are what a linear one takes, or refused
    training = adapter.network.training
    adapter.network.eval()
    for inputs, samples in context.views(num_views):
        embedding = adapter.outputs(inputs).embedding
        yield draws_of(samples), embedding, at_middle(adapter.labels(samples), embedding.shape[-2:])
    adapter.network.train(training)


def at_middle(labels: Tensor, size) -> Tensor:
    """Labels ``(N, H, W)`` of the pixel in the middle of each position of a map of this size."""
    rows, columns = (
        ((torch.arange(few) + 0.5) * many / few).long()
        for few, many in zip(size, labels.shape[-2:], strict=True)
    )
    return labels[:, rows][:, :, columns]
