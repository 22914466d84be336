"""What the classifier takes of the augmented views of a step's images, computed once."""

import torch
from mmengine.dist import all_gather_object
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import Dataset

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.output_cache import draws_of


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
        assert context.views is not None
        adapter = context.adapter
        self.num_views = num_views
        training = adapter.network.training
        adapter.network.eval()
        numbers, features, labels = [], [], []
        with torch.no_grad():
            for inputs, samples in context.views(num_views):
                embedding = adapter.outputs(inputs).embedding
                numbers.append(draws_of(samples).cpu())
                features.append(embedding.half().cpu())
                labels.append(at_middle(adapter.labels(samples), embedding.shape[-2:]).cpu())
        adapter.network.train(training)
        parts = all_gather_object(tuple(map(torch.cat, (numbers, features, labels))))
        order = torch.cat([part[0] for part in parts]).argsort()
        self.features = torch.cat([part[1] for part in parts])[order]
        self.labels = torch.cat([part[2] for part in parts])[order].to(torch.uint8)

    def __len__(self) -> int:
        """Number of images."""
        return len(self.features) // self.num_views

    def __getitem__(self, key: tuple[int, int]) -> dict:
        """A view, packed as MMSegmentation packs an image."""
        number = key[1]
        sample = SegDataSample(metainfo={"draw": number})
        sample.gt_sem_seg = PixelData(data=self.labels[number][None].long())
        return {"inputs": self.features[number], "data_samples": sample}

    def pixels(self) -> tuple[Tensor, Tensor]:
        """All positions of all views: features ``(P, d)`` float32 and labels ``(P,)`` int64."""
        return self.features.movedim(1, -1).flatten(0, 2).float(), self.labels.flatten().long()


def at_middle(labels: Tensor, size) -> Tensor:
    """Labels ``(N, h, w)`` of the pixel in the middle of each position of a coarser map.

    Args:
        labels: ``(N, H, W)``.
        size: h and w.
    """
    rows, columns = (
        ((torch.arange(few) + 0.5) * many / few).long()
        for few, many in zip(size, labels.shape[-2:], strict=True)
    )
    return labels[:, rows][:, :, columns]
