"""Gaussians of classes, which any method of classification can carry."""

import pytest
import torch

from vdfd_seg.distillation import ClassGaussians
from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method
from vdfd_seg.models.classifier import rotated


def features(step, inputs=None):
    """Of the batch, or of other images, without augmentation."""
    training = step.network.training
    step.network.eval()
    with torch.no_grad():
        inputs = step.inputs if inputs is None else inputs
        found = step.adapter.outputs(inputs).embedding.double()
    step.network.train(training)
    return found


def upright_and_turned(step):
    """Features of the batch as it is, and of each image turned once, twice or thrice."""
    copies = rotated(step.inputs).unflatten(0, (-1, 4))
    turned = [copies[i, 1 + i % 3] for i in range(len(copies))]
    return torch.cat([features(step), features(step, torch.stack(turned))])


@pytest.fixture
def two_steps(successor, train, end, tiny_classification):
    """The Gaussians of both steps, with the second and its images' features when it began."""

    def make(case, method="LwF"):
        cfg = {"type": method, "gaussians": 0.5}
        step = successor(cfg, data=tiny_classification(case))
        before = upright_and_turned(step)
        train(step, 3)
        return step.previous.carried["gaussians"], step, before, end(step).carried["gaussians"]

    return make


@pytest.mark.parametrize("method", ["LwF", "VDFDPlus", "EWC", "SI"])
@pytest.mark.parametrize("case", ["task", "class"])
def test_gaussians_are_moved_by_what_the_step_did_to_its_own_images(two_steps, case, method):
    old, second, before, new = two_steps(case, method)
    after, labels = features(second), second.samples.labels
    protocol = second.context.protocol
    own = ClassGaussians.of(after, labels, protocol.task_labels(1))
    kept = ClassGaussians(old["means"].double(), old["covariance"].double(), 1)
    expected = kept.moved(before, upright_and_turned(second)).joined(own)
    assert new["means"].shape == (protocol.num_classes(1), before.shape[1])
    assert torch.allclose(new["means"].double(), expected.means, atol=1e-4)
    assert torch.allclose(new["covariance"].double(), expected.covariance, atol=1e-4)
    assert not torch.allclose(new["means"][: len(old["means"])], old["means"], atol=1e-3)


@pytest.mark.parametrize("case", ["task", "class"])
def test_predictions_are_those_of_the_densities(two_steps, case):
    _, step, _, state = two_steps(case)
    step.network.eval()
    with torch.no_grad():
        found = step.method.predict(step.adapter, step.inputs, step.samples)
        heads = step.adapter.logits(step.inputs)
        # Before there are Gaussians the method's own.
        fresh = build_method({"type": "LwF", "gaussians": 0.5})
        assert torch.equal(fresh.predict(step.adapter, step.inputs, step.samples), heads)
    rows, offsets = ClassGaussians(
        state["means"].double(), state["covariance"].double(), 2
    ).discriminant()
    densities = (features(step) @ rows.T + offsets).float()
    if case == "class":
        expected = densities
    else:
        groups = zip(heads.split(step.network.head_sizes, 1),
                     densities.split(step.network.head_sizes, 1), strict=True)  # fmt: skip
        expected = torch.cat(
            [head.log_softmax(1) + 0.5 * density.log_softmax(1) for head, density in groups], 1
        )
    assert torch.allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_gaussians_cannot_begin_in_the_middle(begin, train, end, tiny_classification):
    data = tiny_classification("class")
    first = begin({"type": "LwF"}, data=data)
    train(first)
    with pytest.raises(InputError, match="step 0 was trained without gaussians"):
        begin({"type": "LwF", "gaussians": 0.5}, 1, end(first), data=data)


@pytest.mark.parametrize("gaussians", [0.0, 0.3])
def test_what_the_method_does_itself_stays(successor, train, end, tiny_classification, gaussians):
    """The network trains as without; what EWC carries is carried next to the Gaussians."""
    data, states = tiny_classification("task"), []
    for extra in ({}, {"gaussians": gaussians}):
        step = successor({"type": "EWC", **extra}, data=data)
        train(step)
        states.append(end(step))
    plain, carrying = states
    assert all(torch.equal(v, carrying.state[k]) for k, v in plain.state.items())
    assert set(carrying.carried) == {"importance"} | ({"gaussians"} if gaussians else set())
    for name, value in plain.carried["importance"].items():
        assert torch.equal(value, carrying.carried["importance"][name])
