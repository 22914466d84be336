"""A step as ONNX, run by onnxruntime."""

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from vdfd_seg.cli import run_command
from vdfd_seg.datasets import read_arrays
from vdfd_seg.errors import InputError
from vdfd_seg.export import export_onnx, onnx_graph
from vdfd_seg.inference import load_predictor


@pytest.fixture(scope="module")
def exported(vdfd_run, tmp_path_factory):
    path = tmp_path_factory.mktemp("onnx") / "step.onnx"
    assert run_command("export", [str(vdfd_run.path), "--out", str(path)]) == 0
    return path


def run(path, images):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(None, {"images": images.astype(np.float32)})


def as_batch(images):
    return np.stack(images).transpose(0, 3, 1, 2)


def test_raw_rgb_images_get_the_labels_of_the_predictor(exported, checkpoint, scenes):
    """The images of 48x48 are not resized, so that the whole is compared."""
    predict = load_predictor(checkpoint)
    paths = sorted((scenes / "JPEGImages").iterdir())
    images = [image for image in map(predict.read, paths) if image.shape == (48, 48, 3)]
    logits, labels = run(exported, as_batch(images))
    assert logits.shape == (len(images), 7, 48, 48) and labels.dtype == np.int64
    assert np.array_equal(labels, np.stack(predict(images)))
    assert np.array_equal(labels, logits.argmax(1))


@pytest.mark.parametrize("shape", [(1, 33, 47), (2, 48, 48), (3, 80, 64)])
def test_logits_equal_for_any_batch_and_size(exported, checkpoint, shape):
    network = load_predictor(checkpoint).network
    count, height, width = shape
    images = np.random.default_rng(0).uniform(0, 255, (count, 3, height, width)).astype(np.float32)
    # By hand: (x - 120) / 60 in RGB, then the network's own whole-image inference.
    with torch.no_grad():
        metas = [{"ori_shape": (height, width), "img_shape": (height, width)}] * count
        expected = network.inference((torch.from_numpy(images) - 120) / 60, metas).numpy()
    found, _ = run(exported, images)
    assert np.abs(found - expected).max() <= 1e-4 * max(1, np.abs(expected).max())


def test_the_file_describes_itself(exported, checkpoint):
    model = onnx.load(exported)
    onnx.checker.check_model(model)
    said = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    predict = load_predictor(checkpoint)
    assert said["classes"] == predict.classes
    assert said["palette"] == predict.palette
    assert said["input"] == "float32 (N, 3, H, W), RGB, 0 to 255"
    assert said["step"] == 2 and said["test_cfg"] == {"mode": "whole"}
    assert said["test_pipeline"][1] == {"type": "Resize", "scale": [48, 48], "keep_ratio": True}
    assert [path.name for path in exported.parent.iterdir()] == ["step.onnx"]


def test_networks_of_bgr_images_are_given_bgr_and_padding_in_evaluation_is_refused(tiny_network):
    network = tiny_network(num_classes=3).eval()
    images = torch.rand(1, 3, 32, 32) * 255
    rgb, _ = onnx_graph.Segments(network)(images)
    network.data_preprocessor._channel_conversion = False
    bgr, _ = onnx_graph.Segments(network)(images.flip(1))
    assert torch.equal(rgb, bgr)
    network.data_preprocessor.test_cfg = {"size_divisor": 32}
    with pytest.raises(InputError, match="pads images in evaluation"):
        onnx_graph.Segments(network)


@pytest.mark.parametrize(
    "method",
    [
        {"type": "FineTune"},
        {"type": "ICaRL", "exemplars": 30},
        {"type": "VDFDPlus", "gaussians": 0.3},
    ],
    ids=lambda method: method["type"],
)
def test_classifiers(sequence, digits, tmp_path, method):
    """Also those that predict by the nearest mean and by densities."""
    path = sequence(method, "class").path
    check = export_onnx(path / "step_02" / "checkpoint.pth", tmp_path / "c.onnx")
    assert check.difference <= onnx_graph.TOLERANCE and check.labels == 1
    images = list(read_arrays(digits, "test").images[:50])
    scores, labels = run(tmp_path / "c.onnx", as_batch(images))
    expected = load_predictor(path)(images)
    assert scores.shape == (50, 6)
    assert labels.tolist() == [each.label for each in expected]
    said = {e.key: json.loads(e.value) for e in onnx.load(tmp_path / "c.onnx").metadata_props}
    assert said["head_sizes"] == [2, 2, 2] and said["image_size"] == [8, 8]


class TestRefused:
    @pytest.fixture
    def exported_again(self, exported, monkeypatch):
        """The exporter gives the file that is there already: it takes seconds."""
        program = SimpleNamespace(
            model=SimpleNamespace(metadata_props={}),
            save=lambda path, external_data: shutil.copy(exported, path),
        )
        monkeypatch.setattr(onnx_graph, "_program", lambda *_: program)

    @pytest.mark.parametrize(("factor", "by"), [(2.0, r"\d"), (float("nan"), "nan")])
    def test_a_file_that_differs_is_not_kept(
        self, checkpoint, exported_again, tmp_path, monkeypatch, factor, by
    ):
        whole = onnx_graph.Segments.forward

        def other(self, images):
            logits, labels = whole(self, images)
            return logits * factor, labels

        monkeypatch.setattr(onnx_graph.Segments, "forward", other)
        with pytest.raises(InputError, match=f"differs from PyTorch by {by}"):
            export_onnx(checkpoint, tmp_path / "x.onnx")
        assert not list(tmp_path.iterdir())

    def test_what_onnxruntime_cannot_run(self, checkpoint, exported_again, tmp_path):
        with pytest.raises(InputError, match="onnxruntime cannot run the exported network"):
            # The file takes three channels.
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(onnx_graph, "_noise", lambda n, h, w: torch.zeros(n, 4, h, w))
                patch.setattr(onnx_graph.Segments, "forward", lambda self, images: (images, images))
                export_onnx(checkpoint, tmp_path / "x.onnx")
        assert not list(tmp_path.iterdir())

    def test_what_torch_cannot_export(self, checkpoint, tmp_path, monkeypatch):
        def loops(self, images):
            return images.sum(1) if float(images.sum()) > 0 else images, images

        monkeypatch.setattr(onnx_graph.Segments, "forward", loops)
        with pytest.raises(InputError, match=r"cannot export this network .* --size H W"):
            export_onnx(checkpoint, tmp_path / "x.onnx")
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("module", ["onnx", "onnxscript", "onnxruntime"])
    def test_packages_that_are_missing(self, vdfd_run, tmp_path, monkeypatch, refused, module):
        monkeypatch.setitem(sys.modules, module, None)
        error = refused("export", vdfd_run.path, "--out", tmp_path / "x.onnx")
        assert f"needs the module '{module}'" in error and "vdfd_seg[onnx]" in error
