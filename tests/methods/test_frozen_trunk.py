"""Training a classifier on features that are computed once."""

import pytest
import torch

from tests.tiny import changed, tiny_config, write_config
from vdfd_seg.engine import load_run, train_sequence
from vdfd_seg.methods.common.feature_cache import at_middle, pixels_of
from vdfd_seg.models.adapters.features import FeatureAdapter
from vdfd_seg.models.learner import ContinualLearner


@pytest.fixture
def second(begin, train, end):
    """The second step of a method with a frozen trunk."""

    def make(**options):
        first = begin({"type": "FrozenTrunk", **options})
        train(first)
        return begin({"type": "FrozenTrunk", **options}, 1, end(first))

    return make


def test_labels_are_of_the_pixel_in_the_middle():
    labels = torch.arange(48).view(1, 6, 8)
    assert at_middle(labels, (3, 4)).tolist() == [
        [[9, 11, 13, 15], [25, 27, 29, 31], [41, 43, 45, 47]]
    ]
    assert torch.equal(at_middle(labels, (6, 8)), labels)
    large = torch.arange(64 * 96).view(1, 64, 96)
    assert torch.equal(at_middle(large, (4, 6)), large[:, 8::16, 8::16])
    assert at_middle(labels, (1, 1)).tolist() == [[[28]]]


@pytest.mark.parametrize("old_rows", ["free", "frozen"])
def test_only_the_classifier_trains(second, train, old_rows):
    step = second(old_rows=old_rows)
    before = {k: v.clone() for k, v in step.network.state_dict().items()}
    train(step, updates=3, lr=0.1)
    after = step.network.state_dict()
    rows = {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    assert {k for k in before if not torch.equal(before[k], after[k])} == rows
    num_old = step.context.num_old
    for name in rows:
        assert torch.equal(before[name][:num_old], after[name][:num_old]) == (old_rows == "frozen")
        assert not torch.equal(before[name][num_old:], after[name][num_old:])


def test_cached_features_give_the_logits_of_the_network(second):
    step = second(num_views=2)
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
    assert isinstance(learner.training_adapter, FeatureAdapter)
    assert torch.allclose(found.logits, expected.logits, atol=1e-2)
    middle = at_middle(step.adapter.labels(step.samples), expected.logits.shape[-2:])
    assert torch.equal(step.adapter.labels(data["data_samples"]), middle)


def test_pixels_are_every_position_of_every_view(second):
    step = second(num_views=2)
    cache = step.method.training_features
    batches = list(pixels_of(step.context, 2))
    features, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    height, width = cache.labels.shape[1:]
    assert features.shape == (cache.labels.numel(), cache.features.shape[1])
    place = 3 * height * width + 2 * width + 1
    assert torch.allclose(features[place], cache.features[3, :, 2, 1].float(), rtol=1e-2)
    assert labels[place] == cache.labels[3, 2, 1]


def test_a_loader_with_workers_serves_features_without(scenes, tmp_path):
    """What a config says of its workers is for images; features are in memory."""
    workers = {"num_workers": 1, "prefetch_factor": 2, "timeout": 60}
    changes = {f"train_dataloader.{key}": value for key, value in workers.items()}
    changes |= {"method": {"type": "FrozenTrunk"}, "train_cfg": {"max_iters": 2}, "examples": 0}
    file = write_config(tmp_path / "tiny.py", changed(tiny_config(scenes), changes))
    results = train_sequence(load_run(file), tmp_path / "run", steps=range(2))
    assert [step["step"] for step in results["steps"]] == [0, 1]
    assert results["steps"][1]["held_bytes"] > 0
