"""Passes over images outside training, and loaders without workers."""

from collections.abc import Iterable, Iterator

from mmengine.model import BaseModel

from vdfd_seg.datasets.segmentation.data import of_one_size

WORKERS = ("num_workers", "persistent_workers", "prefetch_factor", "timeout", "worker_init_fn")
"""Keys of a loader that are about its workers."""


def preprocessed(network: BaseModel, batches: Iterable, training: bool = False) -> Iterator:
    """Inputs and data samples of each batch, as the network takes them.

    Images of several sizes are padded where the preprocessor pads in training. Otherwise images of
    one size form a batch.
    """
    for batch in batches:
        for _, part in [(None, batch)] if training else of_one_size(batch):
            part = network.data_preprocessor(part, training=training)
            yield part["inputs"], part["data_samples"]


def without_workers(loader: dict) -> dict:
    """A loader's config that reads in the process itself."""
    return {**{k: v for k, v in loader.items() if k not in WORKERS}, "num_workers": 0}
