"""Passes over images outside training, as methods ask for them."""

from collections.abc import Iterable, Iterator

from mmengine.model import BaseModel


def preprocessed(network: BaseModel, batches: Iterable, training: bool = False) -> Iterator:
    """Inputs and data samples of each batch, as the network takes them."""
    for batch in batches:
        batch = network.data_preprocessor(batch, training=training)
        yield batch["inputs"], batch["data_samples"]
