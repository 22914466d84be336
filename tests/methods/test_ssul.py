"""SSUL by hand: labels, the loss of every row, and what a step leaves alone."""

import numpy as np
import pytest
import torch
from PIL import Image

from tests.test_method_contract import MODEL, SHORT
from vdfd_seg.errors import InputError
from vdfd_seg.methods import build_method

CFG = {"type": "SSUL"}
SALIENT = 254


@pytest.fixture
def second(successor):
    """A second step behind a trained first one: the background and a class are old."""

    def make(updates=2, **options):
        return successor({**CFG, **options}, updates=updates)

    return make


def test_the_loss_is_the_plain_reference(second):
    step = second()
    for sample in step.samples:
        sample.gt_sem_seg.data[0, :4] = SALIENT
    step.learner.eval()
    with torch.no_grad():
        outputs = step.adapter.outputs(step.inputs)
        loss = step.method.task_loss(step.adapter, outputs, step.samples)["decode.loss_bce"]
        layer, spare = step.network.decode_head.conv_seg, step.method.unknown
        weight = torch.cat([layer.weight.flatten(1), spare.weight])
        scores = torch.einsum("ndhw,cd->nchw", outputs.embedding, weight)
        scores += torch.cat([layer.bias, spare.bias])[:, None, None]
        scores = torch.nn.functional.interpolate(scores, (32, 32), mode="bilinear")
    labels = step.adapter.labels(step.samples)
    # The unknown class is row 3 here, and background for the network's own row 0.
    salient = labels == SALIENT
    own = torch.stack([(labels == 0) | salient, labels == 1, labels == 2, salient], 1).float()
    each = torch.nn.functional.binary_cross_entropy_with_logits(scores, own, reduction="none")
    expected = each.sum(1)[labels != 255].mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)


def test_confident_old_classes_are_found_once_in_the_cache(begin, second):
    step = second(threshold=2.0)
    plain, state = step.method.training_features, step.previous.state
    weight, bias = (state[f"decode_head.conv_seg.{kind}"] for kind in ("weight", "bias"))
    assert set(plain.labels.unique().tolist()) <= {0, 2, 255}
    # Half of the positions are the old class's, by a margin or narrowly.
    weight[0], bias[0] = 0, 0
    scores = torch.nn.functional.conv2d(plain.features.float(), weight[1:])[:, 0]
    slope = 2 / scores.std()
    weight[1] *= slope
    bias[1] = -slope * scores.median()
    scores = slope * scores + bias[1]
    narrow, old = ((scores.sigmoid() > p) & (plain.labels == 0) for p in (0.5, 0.7))
    assert 0 < old.sum() < narrow.sum() < (plain.labels == 0).sum()
    found = begin(CFG, 1, step.previous).method.training_features.labels
    assert torch.equal(found, plain.labels.masked_fill(old, 1))


def test_the_unknown_row_learns_what_the_maps_mark(begin, train):
    """And trains the features of the first step, unlike DKD's: objects shall be told apart."""
    step = begin(CFG)
    for sample in step.samples:
        sample.gt_sem_seg.data[:] = SALIENT
    train(step)
    assert step.method.unknown.bias > 0
    # An object of no class is background for the network.
    assert step.network.decode_head.conv_seg.bias[0] > 0
    step.learner.zero_grad()
    step.method.unknown(step.adapter.outputs(step.inputs).embedding).sum().backward()
    assert step.network.backbone.stem[0].weight.grad.abs().max() > 0


def test_auxiliary_heads_do_not_see_the_label_of_the_unknown(begin, losses_of):
    step = begin(CFG, auxiliary=1)
    plain = losses_of(step)["aux.loss_ce"]
    for sample in step.samples:
        labels = sample.gt_sem_seg.data
        labels[labels == 0] = SALIENT
    assert torch.equal(losses_of(step)["aux.loss_ce"], plain)


class TestMaps:
    @pytest.fixture
    def maps(self, tmp_path, tiny_data):
        """A folder with a map for each training image, salient in the left half."""
        halves = np.zeros((24, 24), np.uint8)
        halves[:, :12] = 1
        for name in tiny_data().train.names:
            Image.fromarray(halves).save(tmp_path / f"{name}.png")
        return tmp_path

    def test_every_sample_of_a_step_has_its_map(self, maps, tiny_data):
        data = tiny_data()
        samples = build_method({**CFG, "saliency": str(maps)}).select(data, 1, {})
        assert [s.image for s in samples] == [s.image for s in data.train_samples(1)]
        for sample in samples:
            assert sample.saliency == str(maps / f"{data.train.names[sample.image]}.png")

    def test_a_missing_map_is_named_before_the_first_step(self, maps, tiny_data):
        data = tiny_data()
        # An image of the last step alone.
        (maps / "t8.png").unlink()
        with pytest.raises(InputError, match=r"1 training images have no saliency map.*t8\.png"):
            build_method({**CFG, "saliency": str(maps)}).select(data, 0, {})

    def test_a_run_learns_from_them(self, scenes, engine_steps, tmp_path):
        for image in (scenes / "SegmentationClass").glob("train_*.png"):
            with Image.open(image) as mask:
                objects = np.asarray(mask) != 0
            Image.fromarray(objects.astype(np.uint8)).save(tmp_path / image.name)
        biases = []
        for name, saliency in (("with", str(tmp_path)), ("without", None)):
            changes = {**SHORT, **MODEL, "method": {**CFG, "saliency": saliency}}
            _, saved = engine_steps(name, changes)
            biases.append(saved[1]["method"]["state"]["unknown"][-1])
        # Without maps nothing is unknown; with them the later tasks' objects are.
        assert biases[1] < biases[0]
