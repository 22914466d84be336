from collections import Counter
from types import SimpleNamespace

import pytest
import torch
import torch.nn.functional as F

from tests.methods import plain
from vdfd_seg.methods.icarl import herding

SCENARIOS = pytest.mark.parametrize("scenario", ["task", "class"])


@pytest.fixture
def run(begin, train, end, tiny_classification):
    """The steps of a run of iCaRL and the state after each."""

    def make(scenario="class", exemplars=10, steps=3, finish=True, **options):
        data, previous, found = tiny_classification(scenario, each=5), None, []
        for number in range(steps):
            cfg = {"type": "ICaRL", "exemplars": exemplars, **options}
            step = begin(cfg, number, previous, data=data)
            train(step)
            previous = end(step) if finish or number + 1 < steps else None
            found.append((step, previous))
        return found

    return make


def features_of(step, samples):
    step.network.eval()
    with torch.no_grad():
        images = torch.cat(list(plain.images_of(step.data, samples)))
        return F.normalize(step.network.backbone(images), dim=1)


@pytest.mark.parametrize("count", [1, 2, 5, 9])
def test_herding_is_that_of_trying_every_example(count):
    for seed in range(5):
        generator = torch.Generator().manual_seed(seed)
        features = torch.randn(9, 4, generator=generator, dtype=torch.float64)
        features = F.normalize(features, dim=1)
        assert herding(features, count).tolist() == plain.herding(features, count)


def test_herding_by_hand():
    features = torch.tensor([[0.0, 0.0], [4.0, 0.0], [1.0, 0.0], [3.0, 1.0]])
    # The mean is (2, 1/4): (3, 1) is at 1.25 from it, (1, 0) nearer; then their mean (2, 1/2).
    assert herding(features, 2).tolist() == [2, 3]


@SCENARIOS
def test_the_budget_is_divided_among_the_classes_seen(run, scenario):
    # 10 for 2, 4 and 6 classes are 5, 2.5 and 1.67 each, rounded up as in FACIL.
    steps, first = run(scenario), None
    for number, ((step, previous), each) in enumerate(zip(steps, (5, 3, 2), strict=True)):
        kept = previous.carried["exemplars"]
        first = first or kept
        assert sorted(kept) == list(range(step.context.protocol.num_classes(number)))
        for label, entries in kept.items():
            assert len({image for image, _ in entries}) == len(entries) == each
            for image, task in entries:
                assert step.data.labels["train"][image] == label
                assert task == label // 2
        # Those of old classes are cut from the end.
        assert all(kept[label] == first[label][:each] for label in first)
        # The bytes declared are those of the images kept.
        count = sum(map(len, kept.values()))
        assert step.method.stored_data_bytes(step.data, number) == count * (8 * 8 * 3 + 8)


def test_exemplars_of_new_classes_are_herded(run):
    step, previous = run(steps=2)[1]
    for label in (2, 3):
        own = [s for s in step.context.samples if step.data.labels["train"][s.image] == label]
        order = plain.herding(features_of(step, own), 3)
        assert previous.carried["exemplars"][label] == [[own[i].image, 1] for i in order]


def test_the_next_step_trains_on_exemplars_and_its_own_images(run):
    steps = run()
    step, before = steps[2][0], steps[1][1]
    images = Counter(s.image for s in step.method.select(step.data, 2, before.carried))
    expected = Counter(s.image for s in step.data.train_samples(2))
    expected.update(i for entries in before.carried["exemplars"].values() for i, _ in entries)
    assert images == expected
    assert set(step.samples.labels.tolist()) == {0, 1, 2, 3, 4, 5}
    assert (step.samples.tasks == step.samples.labels // 2).all()


@SCENARIOS
def test_the_loss_is_the_binary_cross_entropy_with_the_old_sigmoids(run, tiny_classifier, scenario):
    (_, previous), (step, _) = run(scenario, steps=2, weight=0.7, finish=False)
    teacher = tiny_classifier([2])
    teacher.load_state_dict(previous.state)
    with torch.no_grad():
        target = teacher.eval()(step.inputs).sigmoid()
    outputs = step.adapter.outputs(step.inputs)
    p = outputs.logits[:, :2].sigmoid()
    each = -(target * p.log() + (1 - target) * (1 - p).log())
    found = step.method.extra_losses(step.adapter, outputs, step.samples)["loss_kd"]
    assert torch.allclose(found, 0.7 * each.sum(1).mean(), rtol=1e-4)
    (gradient,) = torch.autograd.grad(found, outputs.all_logits)
    expected = torch.zeros_like(gradient)
    expected[:, :2] = 0.7 * (p - target) / len(p)
    assert torch.allclose(gradient, expected, atol=1e-6)


@SCENARIOS
def test_predictions_are_of_the_nearest_mean_of_exemplars_and_their_task_may_be_known(
    run, scenario
):
    step, previous = run(scenario, steps=2)[1]
    means = []
    for label in range(4):
        entries = previous.carried["exemplars"][label]
        features = features_of(step, [SimpleNamespace(image=image) for image, _ in entries])
        means.append(F.normalize(features.mean(0), dim=0))
    means = torch.stack(means)
    assert torch.allclose(previous.carried["means"].float(), means, atol=1e-5)
    with torch.no_grad():
        features = F.normalize(step.network.backbone(step.inputs), dim=1)
        distances = (features[:, None] - means).norm(dim=2)
        scores = step.learner(step.inputs, step.samples, mode="predict")
    assert torch.allclose(scores, -distances, atol=1e-5)
    if scenario == "task":
        other = torch.arange(4) // 2 != step.samples.tasks[:, None]
        distances = distances.masked_fill(other, float("inf"))
    found = step.adapter.competing(scores, step.samples).argmax(1)
    assert torch.equal(found, distances.argmin(1))
