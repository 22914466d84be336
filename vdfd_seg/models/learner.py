"""A network and the method that trains it, as one MMEngine model."""

from collections.abc import Callable, Mapping
from typing import Any

from mmengine.model import BaseModel, is_model_wrapper
from torch import Tensor, nn

from vdfd_seg.models.adapters.features import FeatureAdapter, FeaturePreprocessor


class ContinualLearner(BaseModel):
    """What a step's Runner trains.

    The method's own parameters (VDFD's GCN) sit next to the network's, and losses are computed
    inside :meth:`forward`: so DistributedDataParallel reduces the gradients of both.

    Args:
        network: The segmentor or classifier of MMSegmentation's kind.
        method: A :class:`vdfd_seg.methods.Method`.
        adapter: The adapter through which the method sees ``network``.

    Attributes:
        on_terms: Called with the terms of each iteration's loss, by name and with their graph,
            before their sum goes backward; None for nothing.
    """

    on_terms: Callable[[Mapping[str, Tensor]], None] | None = None

    # Methods know models, not the reverse; as a Module it would have no methods of its own.
    method: Any

    def __init__(self, network: nn.Module, method: nn.Module, adapter):
        super().__init__(data_preprocessor=network.data_preprocessor)
        self.network = network
        self.method = method
        self.adapter = self.training_adapter = adapter
        # What train() was called with last: a new network's layers have not heard of it.
        self._mode: bool | None = None

    def train_on_features(self) -> None:
        """Take cached features for inputs in training; evaluation takes images."""
        self.training_adapter = FeatureAdapter(self.network)
        self.data_preprocessor = FeaturePreprocessor(self.network.data_preprocessor)

    def train(self, mode: bool = True):
        """Set the mode of all modules; return at once if they are in it already.

        MMEngine calls this in every iteration, and a walk through all modules takes time.
        """
        if (self._mode, self.network.training) == (mode, mode):
            return self
        self._mode = mode
        return super().train(mode)

    def init_weights(self):
        """Does nothing: a step's weights are set when its network is built and grown."""

    def forward(self, inputs, data_samples=None, mode="tensor"):
        """MMEngine's three modes: ``loss`` and ``predict`` go through the method."""
        if mode == "loss":
            return self.method.loss(self.training_adapter, inputs, data_samples)
        if mode == "predict":
            return self.method.predict(self.adapter, inputs, data_samples)
        return self.network(inputs, data_samples, mode=mode)

    def parse_losses(self, losses):
        """MMEngine's sum of the losses; :attr:`on_terms` sees its terms."""
        total, terms = super().parse_losses(losses)
        if self.on_terms is not None:
            self.on_terms(terms)
        return total, terms


def learner_of(runner: Any) -> ContinualLearner:
    """The learner that a Runner trains, unwrapped."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
