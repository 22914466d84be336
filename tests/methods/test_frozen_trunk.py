"""Training a classifier on features that are computed once."""

import pytest
import torch

from vdfd_seg.methods.common.feature_cache import at_middle, pixels_of
from vdfd_seg.models.learner import ContinualLearner


def test_labels_are_of_the_pixel_in_the_middle():
    labels = torch.arange(48).view(1, 6, 8)
    assert at_middle(labels, (3, 4)).tolist() == [
        [[9, 11, 13, 15], [25, 27, 29, 31], [41, 43, 45, 47]]
    ]
    assert torch.equal(at_middle(labels, (6, 8)), labels)
    assert at_middle(labels, (1, 1)).tolist() == [[[28]]]


@pytest.mark.parametrize(
    ("cfg", "trained"),
    [
        ({"type": "FrozenTrunk"}, [True, True, True]),
        ({"type": "FrozenTrunk", "old_rows": "frozen"}, [False, False, True]),
        ({"type": "SSUL", "background": "free"}, [True, False, True]),
        ({"type": "SSUL", "background": "frozen"}, [False, False, True]),
        ({"type": "DFT"}, [False, False, True]),
        ({"type": "SegACIL"}, [True, True, True]),
        ({"type": "VDFDPlus", "weight": 0.0, "replay": 64, "num_views": 2}, [True, True, True]),
    ],
)
def test_only_the_classifier_trains(successor, train, end, cfg, trained):
    """And which of its rows: the background's, that of the old class, that of the new one."""
    step = successor(cfg)
    before = {name: value.clone() for name, value in step.network.state_dict().items()}
    if not step.method.closed_form:
        train(step, updates=3, momentum=0.9, weight_decay=0.1)
    after = end(step).state
    rows = {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    assert {name for name in before if not torch.equal(before[name], after[name])} == rows
    for name in rows:
        changed = (after[name] != before[name]).flatten(1 if before[name].ndim > 1 else 0)
        assert changed.view(3, -1).any(1).tolist() == trained


def test_cached_features_give_the_logits_of_the_network(successor):
    step = successor({"type": "FrozenTrunk", "num_views": 2})
    cache = step.method.training_features
    assert len(cache) == len(step.inputs)
    batch = [cache[i, 2 * i + 1] for i in range(len(cache))]
    learner = ContinualLearner(step.network, step.method, step.adapter)
    learner.train_on_features()
    data = {key: [item[key] for item in batch] for key in batch[0]}
    inputs = learner.data_preprocessor(data, training=True)["inputs"]
    step.network.eval()
    found = learner.training_adapter.outputs(inputs)
    expected = step.adapter.outputs(step.inputs)
    assert torch.allclose(found.logits, expected.logits, atol=1e-2)
    middle = at_middle(step.adapter.labels(step.samples), expected.logits.shape[-2:])
    assert torch.equal(step.adapter.labels(data["data_samples"]), middle)


def test_pixels_are_every_position_of_every_view(successor):
    step = successor({"type": "FrozenTrunk", "num_views": 2})
    cache = step.method.training_features
    batches = list(pixels_of(step.context, 2))
    features, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    # Every image once, then every image again.
    order = [0, 2, 1, 3]
    expected = cache.features[order].movedim(1, -1).flatten(0, 2).float()
    assert torch.allclose(features, expected, rtol=1e-2, atol=1e-3)
    assert torch.equal(labels, cache.labels[order].flatten().to(labels))


def test_a_loader_with_workers_serves_features_without(engine_steps):
    """What a config says of its workers is for images; features are in memory."""
    workers = {"num_workers": 1, "prefetch_factor": 2, "timeout": 60}
    changes = {f"train_dataloader.{key}": value for key, value in workers.items()}
    changes |= {"method": {"type": "FrozenTrunk"}, "train_cfg": {"max_iters": 2}, "examples": 0}
    results, _ = engine_steps("run", changes)
    assert [step["step"] for step in results["steps"]] == [0, 1]
    assert results["steps"][1]["held_bytes"] > 0
