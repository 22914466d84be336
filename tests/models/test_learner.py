"""The learner forwards to the method or to the network, and trains both."""

import torch

from vdfd_seg.models import ContinualLearner, SegmentationAdapter


class Method(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.graph = torch.nn.Linear(2, 2)

    def loss(self, *given):
        return {"loss_of": given}

    def predict(self, *given):
        return given


def test_forwards_to_the_method_or_the_network_and_trains_both(tiny_network, make_batch):
    adapter = SegmentationAdapter(tiny_network().eval())
    learner = ContinualLearner(adapter.network, Method(), adapter).eval()
    before = dict(learner.state_dict())
    inputs, samples = make_batch()
    assert learner(inputs, samples, mode="loss")["loss_of"] == (adapter, inputs, samples)
    assert learner(inputs, samples, mode="predict") == (adapter, inputs, samples)
    learner.init_weights()  # by a Runner: changes nothing
    assert torch.equal(learner(inputs), adapter.logits(inputs))
    assert all(torch.equal(value, before[key]) for key, value in learner.state_dict().items())
    names = {name for name, _ in learner.named_parameters()}
    assert {"method.graph.weight", "network.decode_head.conv_seg.weight"} <= names
