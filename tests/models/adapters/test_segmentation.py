"""The adapter shows methods what mmsegmentation's network computes."""

import pytest
import torch
from mmseg.models.losses import CrossEntropyLoss
from torch import nn

from tests.narrow_networks import narrow_network
from vdfd_seg.engine.networks import build_network
from vdfd_seg.errors import InputError
from vdfd_seg.losses import UnbiasedCrossEntropyLoss, unbiased_cross_entropy
from vdfd_seg.models import SegmentationAdapter

pytestmark = pytest.mark.processor

SETTINGS = [
    {},
    {"auxiliary": 1},
    {"auxiliary": 2, "head": "DepthwiseSeparableASPPHead"},
    {"backbone": "mobilenet", "auxiliary": 1},
    {"auxiliary": 1, "loss": [
        {"type": "CrossEntropyLoss", "loss_name": "loss_ce"},
        {"type": "DiceLoss", "loss_name": "loss_dice", "loss_weight": 0.3},
    ]},
]  # fmt: skip


OTHERS = {"ocrnet_r50-d8": 32, "stdc": 64, "segmenter_vit-b16_mask": 32}
"""Base files of MMSegmentation with heads of other kinds, and their size of images."""


@pytest.mark.parametrize("settings", [*SETTINGS, *({"file": name} for name in OTHERS)])
def test_task_loss_and_gradients_are_those_of_mmsegmentation(tiny_network, make_batch, settings):
    file = settings.get("file")
    inputs, samples = make_batch(size=OTHERS.get(file, 32))

    def built():
        torch.manual_seed(0)
        if not file:
            return tiny_network(**settings)
        network, _ = build_network(narrow_network(file), 3)
        for layer in network.modules():
            if isinstance(layer, nn.modules.dropout._DropoutNd):
                layer.p = 0.0  # mmsegmentation runs the first stage of a cascade twice
        return network

    def results(losses_of):
        network = built().train()
        torch.manual_seed(7)
        losses = losses_of(network)
        sum(value for name, value in losses.items() if "loss" in name).backward()
        return losses, {name: p.grad for name, p in network.named_parameters()}

    def through_adapter(network):
        adapter = SegmentationAdapter(network)
        return adapter.task_loss(adapter.outputs(inputs), samples)

    losses, expected = results(lambda network: network.loss(inputs, samples))
    found, gradients = results(through_adapter)
    # Of a cascade the last stage has the name of a head that is alone.
    expected_names = [name.replace("decode_1.", "decode.") for name in losses]
    losses = dict(zip(expected_names, losses.values(), strict=True))
    assert sorted(found) == sorted(losses)
    assert file or list(found) == list(losses)
    assert all(torch.allclose(found[name], value, atol=1e-6) for name, value in losses.items())
    assert any(gradient.abs().max() > 0 for gradient in expected.values())
    for name, gradient in expected.items():
        if gradient is None:  # what STDC's head of boundaries does not train
            assert gradients[name] is None
            continue
        assert torch.allclose(gradients[name], gradient, atol=1e-5), name


def again(adapter, outputs):
    """The logits by the embedding and the classifier's rows."""
    rows, bias = adapter.classifier()
    return torch.einsum("ndhw,cd->nchw", outputs.embedding, rows) + bias[:, None, None]


@pytest.mark.parametrize("settings", SETTINGS[:4])
def test_embedding_times_classifier_is_the_logits(tiny_network, make_batch, settings):
    adapter = SegmentationAdapter(tiny_network(**settings).eval())
    inputs, _ = make_batch()
    outputs = adapter.outputs(inputs)
    assert torch.allclose(again(adapter, outputs), outputs.logits, atol=1e-5)
    assert torch.equal(adapter.logits(inputs), outputs.logits)
    assert outputs.auxiliary == ()
    assert len(outputs.features) == 4
    assert not adapter.network.decode_head.conv_seg._forward_pre_hooks


def test_body_is_what_the_main_head_takes(tiny_network, make_batch):
    adapter = SegmentationAdapter(tiny_network(in_index=1, in_channels=8).eval())
    outputs = adapter.outputs(make_batch()[0])
    (found,) = adapter.body(outputs)
    assert found is outputs.features[1]
    head = adapter.network.decode_head
    head.input_transform, head.in_index = "multiple_select", [1, 3]
    first, second = adapter.body(outputs)
    assert first is outputs.features[1] and second is outputs.features[3]


def test_not_distilled_is_what_the_main_logits_do_not_need_and_the_classifier(
    tiny_network, make_batch
):
    network = tiny_network(auxiliary=2).eval()
    adapter = SegmentationAdapter(network)
    adapter.logits(make_batch()[0]).sum().backward()
    for name, parameter in network.named_parameters():
        excluded = name.startswith(adapter.excluded_prefixes)
        classifier = name.startswith(adapter.classifier_name)
        assert excluded == (parameter.grad is None or classifier), name


def test_a_cascade_is_distilled_at_its_last_stage(registered_modules, make_batch):
    network = build_network(narrow_network("ocrnet_r50-d8"), 3)[0].eval()
    adapter = SegmentationAdapter(network)
    inputs, _ = make_batch()
    with torch.no_grad():
        outputs = adapter.outputs(inputs)
        features = network.extract_feat(inputs)
        earlier, last = network.decode_head
        assert torch.allclose(outputs.logits, last(features, earlier(features)), atol=1e-6)
    assert torch.allclose(again(adapter, outputs), outputs.logits, atol=1e-5)
    assert adapter.classifier_name == "decode_head.1.conv_seg"
    # The rows of the earlier stage grow, but its other layers feed the main logits.
    excluded = {
        name for name, _ in network.named_parameters() if name.startswith(adapter.excluded_prefixes)
    }
    assert excluded == {f"decode_head.{i}.conv_seg.{k}" for i in (0, 1) for k in ("weight", "bias")}
    adapter.use_unbiased_loss()
    assert all(type(h.loss_decode) is UnbiasedCrossEntropyLoss for h in network.decode_head)
    assert [h.loss_decode.loss_weight for h in network.decode_head] == [0.4, 1.0]


def test_hidden_classes_reach_the_loss(tiny_network, make_batch):
    network = tiny_network(loss={"type": "vdfd_seg.UnbiasedCrossEntropyLoss"}).train()
    adapter = SegmentationAdapter(network)
    inputs, samples = make_batch()
    adapter.begin(2)
    outputs = adapter.outputs(inputs)
    labels = adapter.labels(samples)
    expected = unbiased_cross_entropy(adapter.upsample(outputs.logits, labels), labels, 2)
    assert torch.allclose(adapter.task_loss(outputs, samples)["decode.loss_ce"], expected)


PLAIN = {"type": "CrossEntropyLoss", "loss_weight": 0.5, "avg_non_ignore": True}
OWN = {"type": "vdfd_seg.UnbiasedCrossEntropyLoss", "loss_name": "loss_own"}


def test_the_unbiased_loss_takes_the_place_of_the_main_heads_cross_entropy(tiny_network):
    network = tiny_network(auxiliary=1, loss=[PLAIN, OWN])
    for _ in range(2):
        SegmentationAdapter(network).use_unbiased_loss()
    first, own = network.decode_head.loss_decode
    assert type(first) is type(own) is UnbiasedCrossEntropyLoss
    assert (first.loss_weight, first.loss_name, first.avg_non_ignore) == (0.5, "loss_ce", True)
    assert own.loss_name == "loss_own"
    assert type(network.auxiliary_head.loss_decode[0]) is CrossEntropyLoss


@pytest.mark.parametrize(
    "loss",
    [
        {"type": "DiceLoss"},
        {**PLAIN, "use_sigmoid": True},
        {**PLAIN, "class_weight": [1.0, 2.0, 3.0]},
    ],
)
def test_the_unbiased_loss_takes_no_other_away(tiny_network, loss):
    adapter = SegmentationAdapter(tiny_network(loss=loss))
    with pytest.raises(InputError, match="method.unbiased_loss=False"):
        adapter.use_unbiased_loss()
