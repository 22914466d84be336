"""Elastic weight consolidation, and what it shares with MAS and SI: estimators and penalty."""

from copy import deepcopy
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from tests.methods.plain import body, images_of, importances
from vdfd_seg.errors import InputError
from vdfd_seg.methods import EWC, MAS, build_method
from vdfd_seg.utils.seeding import derived_seed


def surprise(logits):
    """Minus the log-probability of the predicted class."""
    log = F.log_softmax(logits, 0)
    return -log[log.argmax()]


def length(logits):
    return logits.square().sum().sqrt()


OF_GRADIENTS = {"EWC": (surprise, torch.square), "MAS": (length, torch.abs)}
"""What is differentiated, and what is averaged of the gradient."""


@pytest.fixture
def after(successor, train, tiny_classification):
    """The second step, trained; with the state of the first."""

    def make(scenario="task", network=None, name="EWC", **options):
        data = tiny_classification(scenario, each=5)
        step = successor({"type": name, **options}, data=data, **(network or {}))
        train(step, lr=0.01)
        return step, step.previous

    return make


def close(found, expected):
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert value.max() > 0
        assert torch.allclose(found[name], value, rtol=1e-3, atol=1e-7 * value.max()), name


@pytest.mark.parametrize("name", OF_GRADIENTS)
@pytest.mark.parametrize(
    ("scenario", "network", "columns", "images"),
    [
        ("task", {}, [2, 3], None),
        ("class", {}, [2, 3], None),
        ("class", {"label_trick": False}, [0, 1, 2, 3], None),
        # A class's logit is that of the image as it is.
        ("task", {"rotations": True}, [8, 12], None),
        # A limit spreads the images.
        ("task", {}, [2, 3], 2),
    ],
)
def test_by_image_is_that_of_a_loop(after, name, scenario, network, columns, images):
    step, _ = after(scenario, network, name, estimator="image", images=images)
    samples = step.context.samples
    chosen = [samples[0], samples[len(samples) // 2]] if images else samples
    value, reduce = OF_GRADIENTS[name]
    found = step.method.estimate(step.context)
    inputs = images_of(step.data, chosen)
    close(found, importances(step.network, inputs, lambda z: value(z[columns]), reduce, False))


def shuffled(step, size):
    """The whole batches of a step's images that FACIL's estimator takes."""
    draw = torch.Generator().manual_seed(derived_seed(step.context.seed, "importance"))
    order = torch.randperm(len(step.context.samples), generator=draw).tolist()
    images = list(images_of(step.data, step.context.samples))
    starts = range(0, max(len(order) - size, 0) + 1, size)
    return [torch.cat([images[i] for i in order[start : start + size]]) for start in starts]


class TestFacil:
    @pytest.mark.parametrize("name", OF_GRADIENTS)
    @pytest.mark.parametrize(
        ("scenario", "trick", "size", "images", "batches"),
        # Two classes of five images: the last incomplete batch is dropped, unless it is the only.
        [
            ("task", True, 3, None, 3),
            ("class", True, 4, None, 2),
            ("class", False, 10, None, 1),
            ("task", True, 64, None, 1),
            # A limit is rounded up to whole batches.
            ("task", True, 2, 3, 2),
        ],
    )
    def test_is_that_of_its_loop(self, after, name, scenario, trick, size, images, batches):
        network = {"label_trick": trick}
        step, _ = after(scenario, network, name, batch_size=size, images=images)
        found = step.method.estimate(step.context)
        inputs = shuffled(step, size)
        assert len(inputs) == batches or images
        network = deepcopy(step.network)
        close(found, importances(network, inputs[:batches], *OF_GRADIENTS[name], True))

    @pytest.mark.parametrize(
        ("cfg", "expected"),
        [
            # Two images of +1 and +3, both classes at 1/2: gradients -1/2 and -3/2.
            ({"type": "EWC", "estimator": "image"}, (0.25 + 2.25) / 2),
            ({"type": "EWC", "batch_size": 1}, (0.25 + 2.25) / 2),
            ({"type": "EWC", "batch_size": 2}, 1.0),
            ({"type": "EWC"}, 1.0),
            ({"type": "MAS", "estimator": "image"}, 2.0),
            ({"type": "MAS"}, 2.0),
        ],
    )
    def test_by_hand(self, cfg, expected):
        class Toy(nn.Module):
            def __init__(self):
                super().__init__()
                self.body = nn.Parameter(torch.tensor(1e-9))

        network, method = Toy(), build_method(cfg)
        adapter = SimpleNamespace(
            network=network,
            excluded_prefixes=("heads",),
            within_task=True,
            logits=lambda x: torch.stack([network.body * x, torch.zeros_like(x)], 1),
        )
        protocol = SimpleNamespace(
            problem="classification", num_classes=lambda step: 2, task_labels=lambda step: [0, 1]
        )

        def batches(limit=None, samples=(1.0, 3.0)):
            yield torch.tensor(samples), None

        context = SimpleNamespace(
            adapter=adapter, protocol=protocol, step=0, carried={}, batches=batches,
            samples=[1.0, 3.0], seed=0, device="cpu",
        )  # fmt: skip
        method.before_task(context)
        assert method.estimate(context)["body"].item() == pytest.approx(expected)


class TestDefaults:
    @pytest.mark.parametrize(
        ("name", "weights"), [("EWC", (5000, 1000)), ("MAS", (1, 2))], ids=["EWC", "MAS"]
    )
    def test_the_estimator_follows_the_problem_and_the_weight_the_estimator(
        self, begin, tiny_classification, name, weights
    ):
        data = tiny_classification()
        facil, image = weights
        for cfg, where, expected in (
            ({}, {"data": data}, ("facil", facil)),
            ({"estimator": "image"}, {"data": data}, ("image", image)),
            ({"weight": 3}, {"data": data}, ("facil", 3)),
            ({"weight": 0}, {"data": data}, ("facil", 0)),
            ({}, {}, ("image", image)),
        ):
            method = begin({"type": name, **cfg}, **where).method
            assert (method.estimator, method.weight) == expected

    def test_that_of_facil_is_refused_for_segmentation(self, begin):
        with pytest.raises(InputError, match="method EWC: estimator='facil' is for classification"):
            begin({"type": "EWC", "estimator": "facil"})


class TestMerge:
    @pytest.mark.parametrize("method", [EWC, MAS])
    def test_by_hand(self, method):
        old, new = {"a": torch.tensor([4.0])}, {"a": torch.tensor([8.0])}
        assert method(alpha=0.25).merge(old, new)["a"].item() == 7.0
        # From zeros, as FACIL: the first task's importances are not taken whole.
        merged = {}
        for expected in (0.5, 0.75, 0.875):
            merged = method().merge(merged, {"a": torch.tensor([1.0])})
            assert merged["a"].item() == expected

    def test_the_running_fisher_is_carried_flat_and_does_not_grow(self, after, end):
        step, previous = after(alpha=0.3)
        new = step.method.estimate(step.context)
        carried = end(step).carried["importance"]
        assert {k: v.numel() for k, v in carried.items()} == {
            k: v.numel() for k, v in previous.carried["importance"].items()
        }
        for name, value in carried.items():
            old = previous.carried["importance"][name]
            assert value.ndim == 1
            assert torch.allclose(value, 0.3 * old + 0.7 * new[name].flatten())


class TestPenalty:
    def test_value_and_gradient_by_hand(self, after):
        step, previous = after(weight=10.0)
        outputs = step.adapter.outputs(step.inputs)
        step.learner.zero_grad()
        loss = step.method.extra_losses(step.adapter, outputs, step.samples)["loss_ewc"]
        loss.backward()
        total = 0.0
        for name, parameter in body(step.network).items():
            importance = previous.carried["importance"][name].view(parameter.shape)
            moved = parameter.detach() - previous.state[name]
            total += (importance * moved**2).sum().item()
            assert torch.allclose(parameter.grad, 10 * importance * moved, atol=1e-9), name
        assert loss.item() == pytest.approx(5 * total, rel=1e-4)
        assert total > 0
        assert all(head.weight.grad is None for head in step.network.heads)

    def test_begins_at_zero_and_is_none_without_old_tasks_or_weight(self, begin, end):
        first = begin({"type": "EWC"})
        assert first.method.extra_losses(first.adapter, None, None) == {}
        previous = end(first)
        for weight, expected in ((1, {"loss_ewc": 0}), (0, {})):
            step = begin({"type": "EWC", "weight": weight}, 1, previous)
            assert step.method.extra_losses(step.adapter, None, None) == expected
