"""Passes over images outside training, and loaders without workers."""

from collections.abc import Iterable, Iterator

from mmengine.model import BaseModel

WORKERS = ("num_workers", "persistent_workers", "prefetch_factor", "timeout", "worker_init_fn")
"""Keys of a loader that are about its workers."""


def preprocessed(network: BaseModel, batches: Iterable, training: bool = False) -> Iterator:
    """Inputs and data samples of each batch, as the network takes them."""
    for batch in batches:
        batch = network.data_preprocessor(batch, training=training)
        yield batch["inputs"], batch["data_samples"]


def without_workers(loader: dict) -> dict:
    """A loader's config that reads in the process itself."""
    return {**{k: v for k, v in loader.items() if k not in WORKERS}, "num_workers": 0}
