"""Compiling the network that a step trains."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def compiled(network: nn.Module, options: bool | Mapping | None) -> Iterator[None]:
    """Inside, a segmentor's backbone is compiled: the part that no method looks into.

    MMEngine compiles ``train_step`` under the same key; hooks that take the classifier's input and
    losses that look at labels would break its graph. Names of parameters stay. Evaluation, whose
    images are of many sizes, comes outside.

    Args:
        network: The segmentor.
        options: The config's ``compile``: arguments of ``torch.compile``, or True for none; None or
            False to leave the network as it is.
    """
    if not options and options != {}:
        yield
        return
    backbone = network.get_submodule("backbone")
    arguments = {} if options is True else dict(options or {})
    # An attribute of the instance, found before the method of its class.
    backbone.forward = torch.compile(backbone.forward, **arguments)
    try:
        yield
    finally:
        del backbone.forward
