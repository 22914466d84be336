"""Compiling what a step trains."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch

from vdfd_seg.models import ContinualClassifier, ContinualLearner


@contextmanager
def compiled(learner: ContinualLearner, options: bool | Mapping | None) -> Iterator[None]:
    """Compile what can be compiled of a learner's iteration, inside the block.

    Of a classifier this is the whole loss with its gradient: the forward passes of the network
    and of the old network, if the method has one, and every term. Of a segmentor it is the
    backbone, because hooks on the classifier's input and losses that look at labels would break a
    larger graph. Names of parameters do not change. Evaluation is not compiled.

    Every batch size has a graph of its own, so a resumed step runs the same kernels as an
    uninterrupted one.

    Args:
        learner: What trains.
        options: The config's ``compile``: arguments of ``torch.compile``, or True for none; None or
            False to leave the learner as it is.
    """
    if options is None or options is False:
        yield
        return
    arguments = {"dynamic": False, **({} if options is True else options)}
    changed: list[tuple[Any, str]] = []

    def change(owner: Any, name: str, function: Callable) -> None:
        # An attribute of the instance, found before the method of its class.
        setattr(owner, name, function(getattr(owner, name)))
        changed.append((owner, name))

    if isinstance(learner.network, ContinualClassifier):
        method = learner.method
        for path in method.uncompiled:
            *owners, name = path.split(".")
            owner = method if not owners else getattr(method, owners[0])
            if owner is not None:
                change(owner, name, torch.compiler.disable)
        change(method, "loss", partial(torch.compile, **arguments))
    else:
        backbone = learner.network.get_submodule("backbone")
        change(backbone, "forward", partial(torch.compile, **arguments))
    try:
        # A graph that gives its buffers away can be gone back through once, and the gradients of
        # every term are measured now and then.
        with torch._functorch.config.patch(donated_buffer=False):
            yield
    finally:
        for owner, name in changed:
            delattr(owner, name)
        # PyTorch keeps a few graphs of a function, and after those runs it as it is: the next
        # step, which has another network, must not inherit this one's.
        torch.compiler.reset()
