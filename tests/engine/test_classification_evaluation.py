"""Predictions of a classifier are counted under the task's rule.

Several processes: test_evaluation_processes.py.
"""

import csv
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from vdfd_seg.engine.run.evaluation import confusions_of_step, step_metrics
from vdfd_seg.models import ClassificationAdapter

STEP, CLASSES = 1, 4


@pytest.fixture
def learner(tiny_classifier):
    """Gives every image of a class the same scores."""

    def make(scenario, scores):
        adapter = ClassificationAdapter(tiny_classifier([2, 2]), scenario)

        def test_step(batch):
            return torch.tensor(scores)[batch["data_samples"].labels]

        return SimpleNamespace(adapter=adapter, eval=lambda: None, test_step=test_step)

    return make


SCORES = [[0.9, 0.1, 0.0, 0.0], [0.2, 0.1, 0.3, 0.0], [0.5, 0.0, 0.1, 0.4], [0.0, 0.0, 0.2, 0.7]]
BEST = {"class": [0, 2, 0, 3], "task": [0, 0, 3, 3]}


@pytest.mark.parametrize("scenario", ["task", "class"])
def test_only_the_classes_that_compete_can_be_predicted(
    learner, tiny_classification, tmp_path, scenario
):
    data = tiny_classification(scenario)
    cfg = {"batch_size": 5}
    found = confusions_of_step(learner(scenario, SCORES), data, STEP, cfg, tmp_path)
    # Three test images a class.
    expected = np.zeros((4, 4), dtype=int)
    expected[range(4), BEST[scenario]] = 3
    assert found[0].tolist() == expected.tolist()

    metrics = step_metrics(data.protocol, STEP, found)
    right = [float(100 * (BEST[scenario][c] == c)) for c in range(4)]
    assert metrics["row"] == [sum(right[:2]) / 2, sum(right[2:]) / 2]
    assert metrics["overall"] == sum(right) / 4
    names = data.protocol.label_names
    assert metrics["per_class"] == dict(zip(names[:4], right, strict=True))
    assert metrics["confusions"] == {"0": expected.tolist()}

    rows = list(csv.DictReader((tmp_path / "predictions.csv").open()))
    samples = data.test_samples(STEP)
    assert [int(row["image"]) for row in rows] == [sample.image for sample in samples]
    for row in rows:
        label = names.index(row["label"])
        assert data.labels["test"][int(row["image"])] == label
        assert int(row["task"]) == label // 2
        assert row["predicted"] == names[BEST[scenario][label]]
