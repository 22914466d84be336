"""Passes over images outside training, as methods ask for them."""

from collections.abc import Iterable, Iterator

from mmengine.model import BaseModel


def spread(samples: list, limit: int | None) -> list:
    """At most ``limit`` of the samples, spread evenly over them."""
    if limit is None or limit >= len(samples):
        return samples
    return [samples[i * len(samples) // limit] for i in range(limit)]


def preprocessed(network: BaseModel, batches: Iterable, training: bool = False) -> Iterator:
    """Inputs and data samples of each batch, as the network takes them."""
    for batch in batches:
        batch = network.data_preprocessor(batch, training=training)
        yield batch["inputs"], batch["data_samples"]
