"""Compiling what a step trains."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch

from vdfd_seg.models import ContinualClassifier, ContinualLearner


@contextmanager
def compiled(learner: ContinualLearner, options: bool | Mapping | None) -> Iterator[None]:
    """Inside, the part of a learner's iteration that can be is compiled.

    Of a classifier that is the whole loss: the forward pass, the old network's where the method
    has one, and every term of the loss; their gradient comes with it. Of a segmentor it is the
    backbone: hooks that take the classifier's input and losses that look at labels would break a
    larger graph into pieces. Names of parameters stay. Evaluation comes outside.

    Every size of a batch has a graph of its own, whatever came before it: so a resumed step runs
    the same kernels as one that was never stopped.

    Args:
        learner: What trains.
        options: The config's ``compile``: arguments of ``torch.compile``, or True for none; None or
            False to leave the learner as it is.
    """
    if not options and options != {}:
        yield
        return
    arguments = {"dynamic": False, **({} if options is True else dict(options or {}))}
    if isinstance(learner.network, ContinualClassifier):
        owner, name = learner.method, "loss"
    else:
        owner, name = learner.network.get_submodule("backbone"), "forward"
    # An attribute of the instance, found before the method of its class.
    setattr(owner, name, torch.compile(getattr(owner, name), **arguments))
    try:
        yield
    finally:
        delattr(owner, name)
        # PyTorch keeps a few graphs of a function, and after those runs it as it is: the next
        # step, which has another network, shall not inherit this one's.
        torch.compiler.reset()
