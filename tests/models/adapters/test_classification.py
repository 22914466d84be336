"""What methods see of a classifier: which classes compete, which heads train, what is loaded."""

import pytest
import torch
import torch.nn.functional as F

from vdfd_seg.datasets.classification.batches import LabelledImages
from vdfd_seg.errors import InputError
from vdfd_seg.models import ClassificationAdapter, SegmentationAdapter, adapter_of

SIZES = [2, 3, 1]
TASKS = [0, 0, 1, 1, 1, 2]


@pytest.fixture
def adapter(tiny_classifier):
    def make(scenario="task", sizes=SIZES, **settings):
        return ClassificationAdapter(tiny_classifier(sizes, **settings).train(), scenario)

    return make


@pytest.fixture
def batch():
    """Seven images of all classes."""
    inputs = torch.randn(7, 3, 8, 8, generator=torch.Generator().manual_seed(5))
    labels = torch.tensor([4, 0, 1, 2, 5, 3, 2])
    return inputs, LabelledImages(labels, torch.tensor(TASKS)[labels])


def columns_of(task, rows=1):
    return [rows * c + k for c, owner in enumerate(TASKS) if owner == task for k in range(rows)]


class TestTaskLoss:
    @pytest.mark.parametrize("rotations", [False, True])
    def test_within_a_task_it_is_that_over_the_sliced_logits(self, adapter, batch, rotations):
        seen, rows = adapter(rotations=rotations), 4 if rotations else 1
        inputs, samples = batch
        outputs = seen.outputs(inputs)
        each = []
        for i, (label, task) in enumerate(zip(samples.labels, samples.tasks, strict=True)):
            columns = columns_of(int(task), rows)
            for k in range(rows):
                sliced = outputs.all_logits[rows * i + k, columns]
                each.append(-F.log_softmax(sliced, 0)[columns.index(rows * int(label) + k)])
        loss = seen.task_loss(outputs, samples)["loss_ce"]
        assert len(each) == rows * 7
        assert torch.allclose(loss, torch.stack(each).mean(), atol=1e-6)

    @pytest.mark.parametrize(
        ("rotations", "training"), [(False, True), (True, True), (True, False)]
    )
    def test_among_all_classes_it_is_the_plain_one(self, adapter, batch, rotations, training):
        """In evaluation of images as they are alone."""
        seen, rows = adapter("class", rotations=rotations), 4 if rotations else 1
        seen.network.train(training)
        outputs = seen.outputs(batch[0])
        turns = range(rows if training else 1)
        labels = [rows * int(label) + k for label in batch[1].labels for k in turns]
        expected = F.cross_entropy(outputs.all_logits, torch.tensor(labels))
        assert torch.allclose(seen.task_loss(outputs, batch[1])["loss_ce"], expected)


class TestBegin:
    CASES = [
        # scenario, label trick, sees old images, trains old heads: within a task, old heads train
        ("task", True, False, False, True, False),
        ("task", True, False, True, True, True),
        ("task", True, True, False, True, True),
        ("class", True, False, False, True, False),
        ("class", True, False, True, True, True),
        ("class", True, True, False, False, True),
        ("class", False, False, False, False, True),
        ("class", False, True, False, False, True),
    ]

    @pytest.mark.parametrize(("scenario", "trick", "sees", "heads", "within", "train"), CASES)
    def test_who_competes_and_which_heads_train(
        self, adapter, batch, scenario, trick, sees, heads, within, train
    ):
        seen = adapter(scenario, label_trick=trick)
        seen.begin(0, sees, heads)
        outputs = seen.outputs(batch[0])
        alone = ClassificationAdapter(seen.network, "task" if within else "class")
        expected = alone.task_loss(outputs, batch[1])["loss_ce"]
        assert torch.equal(seen.task_loss(outputs, batch[1])["loss_ce"], expected)
        flags = [head.weight.requires_grad for head in seen.network.heads]
        assert flags == [train, train, True]

    def test_what_competes_in_training_decides_nothing_in_evaluation(self, adapter, batch):
        scores = torch.arange(42.0).view(7, 6)
        seen = adapter("class")
        seen.begin(0)
        assert torch.equal(seen.competing(scores, batch[1]), scores)
        seen = adapter("task")
        seen.begin(0, sees_old=True)
        within = torch.tensor(TASKS) == batch[1].tasks[:, None]
        expected = scores.masked_fill(~within, -torch.inf)
        assert torch.equal(seen.competing(scores, batch[1]), expected)


class TestLoad:
    def test_heads_are_appended_and_old_ones_are_unchanged(self, adapter, tiny_classifier):
        old = tiny_classifier(SIZES[:2], seed=1).state_dict()
        seen = adapter()
        fresh = seen.network.heads[2].weight.clone()
        seen.load(old, 5)
        state = dict(seen.network.state_dict())
        assert torch.equal(state.pop("heads.2.weight"), fresh)
        assert state.keys() == old.keys()
        assert all(torch.equal(state[k], v) for k, v in old.items())

    def test_the_same_classes(self, adapter, tiny_classifier):
        old = tiny_classifier(SIZES, seed=1)
        seen = adapter()
        seen.load(old.state_dict(), 6)
        assert torch.equal(seen.network.heads[2].weight, old.heads[2].weight)

    @pytest.mark.parametrize(
        ("changes", "num_old", "message"),
        [
            ({"backbone.bn.bias": None}, 6, "lacks the parameter 'backbone.bn.bias'"),
            ({"heads.2.weight": None}, 6, "lacks the parameter 'heads.2.weight'"),
            ({"extra": torch.ones(1)}, 6, "has an unknown parameter 'extra'"),
            ({}, 5, "has an unknown parameter 'heads.2.weight'"),
            (
                {"heads.1.weight": torch.zeros(4, 8)}, 6,
                r"'heads.1.weight' has shape \(4, 8\) in the checkpoint and \(3, 8\)",
            ),
        ],
    )  # fmt: skip
    def test_other_weights_are_refused_by_the_parameters_name(
        self, adapter, changes, num_old, message
    ):
        seen = adapter()
        state = {**adapter(seed=1).network.state_dict(), **changes}
        state = {name: value for name, value in state.items() if value is not None}
        before = {k: v.clone() for k, v in seen.network.state_dict().items()}
        with pytest.raises(InputError, match=message):
            seen.load(state, num_old)
        assert all(torch.equal(v, before[k]) for k, v in seen.network.state_dict().items())


@pytest.mark.parametrize("rotations", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_embedding_times_classifier_is_the_logits(adapter, batch, rotations, training):
    seen = adapter(rotations=rotations)
    seen.network.train(training)
    outputs = seen.outputs(batch[0])
    rows, bias = seen.classifier()
    assert bias is None
    assert outputs.logits.shape == (7, 6)
    assert torch.allclose(outputs.embedding @ rows.T, outputs.logits, atol=1e-6)


def test_a_network_gets_the_adapter_that_fits(tiny_classifier, tiny_network):
    seen = adapter_of(tiny_classifier(), "class")
    assert isinstance(seen, ClassificationAdapter)
    assert seen.scenario == "class"
    assert isinstance(adapter_of(tiny_network(), "class"), SegmentationAdapter)
    with pytest.raises(InputError, match="model type Linear is not supported"):
        adapter_of(torch.nn.Linear(1, 1), "class")
