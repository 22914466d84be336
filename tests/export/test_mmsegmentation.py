"""A step in mmsegmentation's own hands."""

import numpy as np
import pytest
import torch
from mmengine.runner import load_checkpoint
from mmseg.registry import MODELS

from tests.python_process import run_python
from tests.tiny import TASKS, changed, tiny_config
from vdfd_seg.engine.networks import model_config
from vdfd_seg.errors import InputError
from vdfd_seg.export import export_mmseg
from vdfd_seg.inference import load_predictor
from vdfd_seg.utils.checkpoint import load_step, save_plain

ALONE = """
import sys
import numpy as np
from mmseg.apis import init_model, inference_model
model = init_model(sys.argv[1], sys.argv[2], device='cpu')
np.save(sys.argv[4], inference_model(model, sys.argv[3]).pred_sem_seg.data[0].numpy())
assert not any(name.startswith('vdfd_seg') for name in sys.modules)
print(*model.dataset_meta['classes'])
"""


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    return export_mmseg(checkpoint, tmp_path_factory.mktemp("exported") / "step.pth")


def test_a_process_without_this_package(exported, checkpoint, scenes, tmp_path):
    weights, config = exported
    image = scenes / "JPEGImages/train_00.jpg"
    arguments = [config, weights, image, tmp_path / "mask.npy"]
    bare = {"PYTHONPATH": "", "OMP_NUM_THREADS": "1", "PATH": ""}
    done = run_python("-c", ALONE, *arguments, cwd=tmp_path, env=bare)
    assert done.returncode == 0, done.stderr
    predict = load_predictor(checkpoint)
    assert done.stdout.splitlines()[-1].split() == predict.classes
    assert np.array_equal(np.load(tmp_path / "mask.npy"), predict(image))


@pytest.mark.processor
@pytest.mark.parametrize(("step", "classes"), [(0, 3), (1, 5), (2, 7)])
def test_mmengine_loads_the_step_s_own_file_into_a_plain_network(vdfd_run, step, classes):
    path = vdfd_run.path / f"step_{step:02d}" / "checkpoint.pth"
    saved = load_step(path)
    network = MODELS.build(model_config(saved["meta"]["model"], classes))
    load_checkpoint(network, str(path), map_location="cpu", strict=True)
    assert saved["meta"]["dataset_meta"]["classes"] == [c for t in TASKS for c in t][:classes]
    for name, value in network.state_dict().items():
        assert torch.equal(value, saved["state_dict"][name])


def test_the_config_names_nothing_of_this_package_and_the_weights_are_plain_data(exported):
    from mmengine.config import Config

    assert torch.load(exported[0], weights_only=True)["meta"]["vdfd_seg"]["step"] == 2
    config = Config.fromfile(exported[1])
    assert config.model.decode_head.loss_decode.type == "CrossEntropyLoss"
    assert config.model.decode_head.num_classes == 7
    assert "vdfd_seg." not in str(config.to_dict())
    assert [step.type for step in config.test_dataloader.dataset.pipeline] == [
        "LoadImageFromFile", "Resize", "PackSegInputs",
    ]  # fmt: skip


def with_model(checkpoint, path, changes, scenes):
    """A copy of the checkpoint with another model in its description."""
    saved = load_step(checkpoint)
    saved["meta"]["model"] = changed(tiny_config(scenes)["model"], changes)
    save_plain(path, saved)
    return path


def test_initial_weights_are_not_asked_for_again(checkpoint, scenes, tmp_path):
    init = {"type": "Pretrained", "checkpoint": "/nowhere/r18.pth"}
    changes = {"backbone.init_cfg": init, "pretrained": None}
    path = with_model(checkpoint, tmp_path / "in.pth", changes, scenes)
    _, config = export_mmseg(path, tmp_path / "out.pth")
    assert "nowhere" not in config.read_text() and "pretrained" not in config.read_text()


class TestRefused:
    def test_a_module_that_mmsegmentation_does_not_have(self, checkpoint, scenes, tmp_path):
        changes = {"backbone": {"type": "vdfd_seg.Net"}}
        path = with_model(checkpoint, tmp_path / "in.pth", changes, scenes)
        with pytest.raises(InputError, match="has a vdfd_seg.Net"):
            export_mmseg(path, tmp_path / "out.pth")
        assert not (tmp_path / "out.pth").exists()

    def test_a_config_of_somebody_else(self, checkpoint, tmp_path):
        (tmp_path / "mine.py").write_text("model = 1\n")
        with pytest.raises(InputError, match="which no export wrote"):
            export_mmseg(checkpoint, tmp_path / "mine.pth")
        assert (tmp_path / "mine.py").read_text() == "model = 1\n"
        export_mmseg(checkpoint, tmp_path / "again.pth")
        export_mmseg(checkpoint, tmp_path / "again.pth")

    @pytest.mark.parametrize(
        ("arguments", "expected"),
        [
            (["--out", "{tmp}/x.bin"], "must end in .pth (mmsegmentation) or .onnx"),
            (["--out", "{tmp}/x.bin", "--format", "mmseg"], "must end in .pth"),
            (["--out", "{tmp}/x.pth", "--format", "onnx"], "must end in .onnx"),
            (["--out", "{tmp}/x.pth", "--size", "8", "8"], "--size is for ONNX"),
            (["--out", "{tmp}/x.onnx", "--size", "0", "8"], "a pixel or more"),
            (["--out", "{tmp}/x.pth", "--step", "9"], "no finished step 9"),
            (["--out", "{tmp}"], "must end in"),
            (["--out", "{tmp}", "--format", "mmseg"], "is a folder"),
        ],
    )
    def test_bad_arguments_are_one_message(self, refused, vdfd_run, tmp_path, arguments, expected):
        arguments = [each.format(tmp=tmp_path) for each in arguments]
        assert expected in refused("export", vdfd_run.path, *arguments)
        assert not list(tmp_path.iterdir())

    def test_the_checkpoint_itself(self, refused, checkpoint):
        before = checkpoint.read_bytes()
        message = refused("export", checkpoint, "--out", checkpoint)
        assert "would overwrite the checkpoint" in message
        assert checkpoint.read_bytes() == before
