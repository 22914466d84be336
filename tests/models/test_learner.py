"""The learner forwards to the method or to the network, and trains both."""

import torch

from vdfd_seg.models import ContinualLearner, SegmentationAdapter


class Method(torch.nn.Module):
    def loss(self, adapter, inputs, samples):
        return {"loss_of": adapter, "inputs": inputs, "samples": samples}

    def predict(self, adapter, inputs, samples):
        return [adapter, inputs, samples]


def test_forwards_to_the_method_or_the_network(tiny_network, make_batch):
    network = tiny_network().eval()
    adapter = SegmentationAdapter(network)
    learner = ContinualLearner(network, Method(), adapter).eval()
    before = [parameter.clone() for parameter in network.parameters()]
    inputs, samples = make_batch()
    assert learner(inputs, samples, mode="loss")["loss_of"] is adapter
    assert learner(inputs, samples, mode="predict")[0] is adapter
    learner.init_weights()  # by a Runner: changes nothing
    with torch.no_grad():
        assert torch.equal(learner(inputs), adapter.logits(inputs))
    assert all(map(torch.equal, before, network.parameters()))


def test_parameters_of_network_and_method_are_trained_together(tiny_network):
    network, method = tiny_network(), Method()
    method.graph = torch.nn.Linear(2, 2)
    learner = ContinualLearner(network, method, SegmentationAdapter(network))
    names = [name for name, _ in learner.named_parameters()]
    assert "method.graph.weight" in names
    assert "network.decode_head.conv_seg.weight" in names
    assert len(names) == len(list(network.parameters())) + 2
