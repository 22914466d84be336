"""A classifier that grows keeps what it knew."""

import pytest
import torch
from mmseg.models.decode_heads import FCNHead
from torch import nn

from vdfd_seg.errors import InputError
from vdfd_seg.models import SegmentationAdapter, grow
from vdfd_seg.models.fusion import fuse
from vdfd_seg.models.growth import class_rows, register_class_rows

ARCHITECTURES = [
    {"auxiliary": 1},
    {"auxiliary": 2, "head": "DepthwiseSeparableASPPHead"},
    {"backbone": "mobilenet"},
]


def grown(tiny_network, old, new, init="random", **settings):
    first, second = tiny_network(old, seed=1, **settings), tiny_network(new, seed=2, **settings)
    fresh = {name: value.clone() for name, value in second.state_dict().items()}
    rows = SegmentationAdapter(second).rows
    grow(second, first.state_dict(), rows, old, init)
    return first, second, fresh, rows


@pytest.mark.parametrize("settings", ARCHITECTURES)
def test_everything_known_is_copied_and_new_rows_stay_fresh(tiny_network, settings):
    first, second, fresh, rows = grown(tiny_network, 3, 5, **settings)
    assert len(rows) == 2 * (1 + settings.get("auxiliary", 0))
    old = first.state_dict()
    for name, value in second.state_dict().items():
        assert torch.equal(value[:3] if name in rows else value, old[name])
        assert name not in rows or torch.equal(value[3:], fresh[name][3:])


@pytest.mark.parametrize("init", ["background", "weights"])
def test_rows_are_copies_of_the_background(tiny_network, init):
    """RCIL's code for VOC copies the weights alone: ``cls.weight.data.copy_(imprinting_w)``."""
    first, second, fresh, rows = grown(tiny_network, 3, 5, init=init, auxiliary=1)
    for name in rows:
        old, new = first.state_dict()[name], second.state_dict()[name]
        assert torch.equal(new[:3], old)
        kept = init == "weights" and new.ndim == 1
        assert torch.equal(new[3:], fresh[name][3:] if kept else old[:1].expand_as(new[3:]))


@pytest.mark.parametrize("added", [1, 2, 7])
def test_balanced_growth_leaves_the_old_probabilities_unchanged(tiny_network, make_batch, added):
    first, second, _, _ = grown(tiny_network, 3, 3 + added, init="balanced")
    inputs, _ = make_batch()
    with torch.no_grad():
        old = SegmentationAdapter(first.eval()).logits(inputs).softmax(1)
        new = SegmentationAdapter(second.eval()).logits(inputs).softmax(1)
    assert torch.allclose(new[:, 1:3], old[:, 1:3], atol=1e-6)
    assert torch.allclose(new[:, 0] + new[:, 3:].sum(1), old[:, 0], atol=1e-6)
    # The background's share is divided equally.
    for row in range(3, 3 + added):
        assert torch.allclose(new[:, row], old[:, 0] / (added + 1), atol=1e-6)


def test_embeddings_of_classes_grow_behind_the_dimension_of_the_batch():
    class Head(nn.Module):
        def __init__(self, classes):
            super().__init__()
            self.embedding = nn.Parameter(torch.rand(1, classes, 3))

    first, second = Head(2), Head(4)
    fresh = second.embedding.detach().clone()
    grow(second, first.state_dict(), ("embedding",), 2)
    assert torch.equal(second.embedding[:, :2], first.embedding)
    assert torch.equal(second.embedding[:, 2:], fresh[:, 2:])
    grow(second, first.state_dict(), ("embedding",), 2, "background")
    assert torch.equal(second.embedding[0, 2:], first.embedding[0, [0, 0]])
    fuse(second, first.state_dict(), 1.0)
    assert torch.equal(second.embedding[0, 2:], first.embedding[0, [0, 0]])


class TestRefused:
    def test_head_that_is_not_registered(self):
        class OwnHead(nn.Module):
            pass

        with pytest.raises(InputError, match="OwnHead.*register_class_rows.*ASPPHead"):
            class_rows(OwnHead())
        register_class_rows(OwnHead, ("classifier.weight",))
        assert class_rows(OwnHead()) == ("classifier.weight",)

    def test_head_with_a_loss_of_its_own(self, tiny_network):
        class OwnLossHead(FCNHead):
            def loss(self, *args):
                return {}

        network = tiny_network()
        network.decode_head.__class__ = OwnLossHead
        with pytest.raises(InputError, match="OwnLossHead"):
            SegmentationAdapter(network)

    @pytest.mark.parametrize(
        ("settings", "num_old", "message"),
        [
            ({"backbone": "mobilenet"}, 3, r"lacks the parameter 'backbone\.layer1"),
            ({"auxiliary": 1}, 3, "unknown parameter 'auxiliary_head"),
            ({"channels": 16}, 3, r"'decode_head\.conv_seg\.weight' has shape \(3, 16,"),
            ({}, 2, r"'decode_head\.conv_seg\.weight'.*2 old classes"),
        ],
    )
    def test_weights_of_another_network(self, tiny_network, settings, num_old, message):
        old, new = tiny_network(3, **settings).state_dict(), tiny_network(4)
        with pytest.raises(InputError, match=message):
            grow(new, old, SegmentationAdapter(new).rows, num_old)
