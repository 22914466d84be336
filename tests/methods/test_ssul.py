"""SSUL by hand: labels, the loss of every row, and what a step leaves alone."""

import math

import numpy as np
import pytest
import torch
from PIL import Image

from tests.test_method_contract import MODEL, SHORT
from tests.tiny import changed, tiny_config, write_config
from vdfd_seg.engine import load_run, train_sequence
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
    total, pixels = 0.0, 0
    for image, sample in enumerate(step.samples):
        for row, column in (sample.gt_sem_seg.data[0] != 255).nonzero().tolist():
            label = sample.gt_sem_seg.data[0, row, column].item()
            # The unknown class is row 3 here, and background for the network's own row 0.
            own = {0, 3} if label == SALIENT else {label}
            for kind, score in enumerate(scores[image, :, row, column].tolist()):
                total += math.log1p(math.exp(-score if kind in own else score))
            pixels += 1
    assert loss.item() == pytest.approx(total / pixels, rel=1e-4)


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


@pytest.mark.parametrize("background", ["free", "frozen"])
def test_background_and_new_rows_train_and_old_ones_stay(second, train, background):
    step = second(background=background)
    layer = step.network.decode_head.conv_seg
    before = {k: v.clone() for k, v in step.network.state_dict().items()}
    train(step, updates=3, momentum=0.9, weight_decay=0.1)
    changed = {k for k, v in step.network.state_dict().items() if not torch.equal(before[k], v)}
    assert changed == {"decode_head.conv_seg.weight", "decode_head.conv_seg.bias"}
    same = (layer.weight == before["decode_head.conv_seg.weight"]).flatten(1).all(1)
    assert same.tolist() == [background == "frozen", True, False]


class TestUnknownRow:
    def test_learns_what_the_maps_mark(self, begin, train):
        step = begin(CFG)
        for sample in step.samples:
            sample.gt_sem_seg.data[:] = SALIENT
        train(step)
        assert step.method.unknown.bias > 0
        # An object of no class is background for the network.
        assert step.network.decode_head.conv_seg.bias[0] > 0

    def test_new_rows_begin_as_copies_and_it_goes_on(self, second):
        step = second()
        row, layer = step.previous.carried["unknown"], step.network.decode_head.conv_seg
        assert row.abs().max() > 0
        assert torch.equal(layer.weight[2].flatten(), row[:-1])
        assert layer.bias[2] == row[-1]
        assert torch.equal(step.method.unknown.carried(), row)

    def test_trains_the_features_of_the_first_step(self, begin):
        """Unlike DKD's: what maps mark as objects shall be told apart."""
        step = begin(CFG)
        step.method.unknown.weight.data.normal_()
        outputs = step.adapter.outputs(step.inputs)
        step.method.unknown(outputs.embedding).sum().backward()
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
        plain = data.train_samples(1)
        assert [s.image for s in samples] == [s.image for s in plain]
        for sample in samples:
            assert sample.saliency == str(maps / f"{data.train.names[sample.image]}.png")

    def test_a_missing_map_is_named_before_the_first_step(self, maps, tiny_data):
        data = tiny_data()
        # An image of the last step alone.
        (maps / "t8.png").unlink()
        with pytest.raises(InputError, match=r"1 training images have no saliency map.*t8\.png"):
            build_method({**CFG, "saliency": str(maps)}).select(data, 0, {})

    def test_a_missing_folder_is_refused(self, tiny_protocol):
        method = build_method({**CFG, "saliency": "/no/such/folder"})
        with pytest.raises(InputError, match="saliency='/no/such/folder' is not a folder"):
            method.check(tiny_protocol())

    def test_a_run_learns_from_them(self, scenes, tmp_path):
        for image in (scenes / "SegmentationClass").glob("train_*.png"):
            with Image.open(image) as mask:
                objects = np.asarray(mask) != 0
            Image.fromarray(objects.astype(np.uint8)).save(tmp_path / image.name)
        rows = {}
        for name, saliency in (("with", str(tmp_path)), ("without", None)):
            config = changed(tiny_config(scenes), {**SHORT, **MODEL})
            config["method"] = {**CFG, "saliency": saliency}
            settings = load_run(write_config(tmp_path / f"{name}.py", config))
            train_sequence(settings, tmp_path / name, steps=range(2))
            path = tmp_path / name / "step_01" / "checkpoint.pth"
            rows[name] = torch.load(path, weights_only=True)["method"]["state"]["unknown"]
        # Without maps nothing is unknown; with them the later tasks' objects are.
        assert rows["without"][-1] < rows["with"][-1]
