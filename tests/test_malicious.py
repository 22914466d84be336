"""Files that would run code where they are unpickled run nothing, wherever they are given."""

import io
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine import fileio
from mmseg.utils import datafrombytes

from tests.bad_input.damage import Evil
from tests.documented import main_of
from tests.tiny import changed
from vdfd_seg.cli import run_command, run_guarded
from vdfd_seg.engine.networks import build_network
from vdfd_seg.errors import InputError
from vdfd_seg.utils.checkpoint import load_step, save_plain


def as_pickle(path, content):
    path.write_bytes(pickle.dumps(content))


def as_torch(path, content):
    torch.save(content, path)


def as_old_torch(path, content):
    torch.save(content, path, _use_new_zipfile_serialization=False)


WRITERS = [as_pickle, as_torch, as_old_torch]


@pytest.fixture
def trap(tmp_path, refused):
    """``trap.content(dict)`` would leave a trace; ``trap.refused(...)`` runs a command."""

    class Trap:
        trace = tmp_path / "executed"

        def content(self, **entries):
            return {"evil": Evil(self.trace), "digest": "0", **entries}

        def refused(self, command, *arguments):
            error = refused(command, *arguments)
            assert not self.trace.exists()
            return error

    return Trap()


@pytest.fixture
def run(finetune_run, tmp_path):
    """A copy of a finished run."""
    return Path(shutil.copytree(finetune_run.path, tmp_path / "run")), finetune_run.file


def test_the_trap_works_but_where_the_package_is_imported(trap, monkeypatch, registered_modules):
    """Libraries that ask torch for objects get none."""
    as_torch(path := trap.trace.with_name("evil.pth"), trap.content())
    with pytest.raises(pickle.UnpicklingError):
        torch.load(path, weights_only=False)
    assert not trap.trace.exists()
    monkeypatch.setenv("TORCH_FORCE_WEIGHTS_ONLY_LOAD", "0")
    torch.load(path, weights_only=False)
    assert trap.trace.exists()


@pytest.mark.parametrize("write", WRITERS)
class TestCheckpoint:
    def test_of_a_step(self, trap, run, scenes, tmp_path, write):
        folder, file = run
        path = folder / "step_02" / "checkpoint.pth"
        write(path, trap.content(state_dict={}, meta={"format": 1}, method={}))
        trap.refused("test", file, folder)
        trap.refused("infer", path, scenes / "JPEGImages", "--out", tmp_path / "out")

    def test_to_begin_from(self, trap, config_file, scenes, tmp_path, write):
        path, work = tmp_path / "evil.pth", ("--work-dir", tmp_path / "work")
        write(path, trap.content(state_dict={}, meta={"format": 1}, method={}))
        trap.refused("train", config_file(), *work, "--init-from", path)
        trap.refused("adopt", config_file(), path, "--images", scenes / "JPEGImages", *work)

    def test_half_trained_state(self, trap, run, train, capfd, write):
        """Damaged, so the step is trained again, without the file."""
        folder, file = run
        state = folder / "step_02" / "resume.pth"
        (folder / "step_02" / "checkpoint.pth").unlink()
        write(state, trap.content())
        train("--resume", file=file, work_dir=folder)
        assert f"checkpoint '{state}' is damaged" in capfd.readouterr().err
        assert not trap.trace.exists()


def initial_weights(path):
    """Changes of a network's config that begin it from a file, by name."""
    init = {"type": "Pretrained", "checkpoint": path}
    swin = dict(type="SwinTransformer", embed_dims=8, depths=(1, 1), num_heads=(1, 1),
                strides=(4, 2), out_indices=(0, 1), init_cfg=init)  # fmt: skip
    vit = dict(type="VisionTransformer", img_size=32, embed_dims=8, num_layers=1, num_heads=1)
    neck = dict(type="FPN", in_channels=[4, 8, 16, 32], out_channels=8, num_outs=4)
    mit = dict(type="MixVisionTransformer", embed_dims=4, num_layers=[1] * 4, num_heads=[1] * 4)
    return {
        "backbone": {"backbone.init_cfg": init},
        "list": {"backbone.init_cfg": [{"type": "Constant", "layer": "Conv2d", "val": 1}, init]},
        "part": {"backbone.init_cfg": {**init, "prefix": "backbone."}},
        "network": {"init_cfg": init},
        "head": {"decode_head.init_cfg": init},
        "auxiliary head": {"auxiliary_head.init_cfg": init},
        "neck": {"neck": {**neck, "init_cfg": init}},
        "inner": {"backbone": dict(type="BiSeNetV1", backbone_cfg=dict(type="ResNet", depth=18,
                                                                       init_cfg=init))},
        "pretrained of the backbone": {"backbone.pretrained": path},
        "pretrained of the network": {"pretrained": path},
        "swin": {"backbone": swin},
        "swin, pretrained": {"backbone": {**swin, "init_cfg": None, "pretrained": path}},
        "vit": {"backbone": {**vit, "init_cfg": init}},
        "vit, part": {"backbone": {**vit, "init_cfg": {**init, "type": "Pretrained_Part"}}},
        "beit": {"backbone": {**vit, "type": "BEiT", "init_cfg": init}},
        "mae": {"backbone": {**vit, "type": "MAE", "init_cfg": init}},
        "mit": {"backbone": {**mit, "init_cfg": init}},
    }  # fmt: skip


def test_initial_weights(trap, network_cfg, tmp_path):
    """In every way in which MMSegmentation takes them."""
    as_torch(tmp_path / "evil.pth", trap.content(state_dict={}))
    for name, changes in initial_weights(str(tmp_path / "evil.pth")).items():
        with pytest.raises(InputError, match="evil.pth"):
            build_network(changed(network_cfg(auxiliary=1), changes), 3, pretrained=True)
        assert not trap.trace.exists(), name


@pytest.mark.parametrize("address", ["s3://a/x.pth", "petrel://a/x.pth", "pavi://x"])
def test_loaders_of_mmengine_that_nothing_replaces(network_cfg, address):
    model = changed(
        network_cfg(), {"decode_head.init_cfg": dict(type="Pretrained", checkpoint=address)}
    )
    with pytest.raises(InputError, match=f"'{address}': addresses may start with"):
        build_network(model, 3, pretrained=True)


@pytest.mark.parametrize("suffix", ["pkl", "pickle", "yaml", "yml"])
def test_files_that_mmengine_loads(trap, network_cfg, tmp_path, suffix):
    """Class weights, and lists of images of data sets that ``mmengine.load`` them."""
    path = tmp_path / f"weights.{suffix}"
    if suffix.startswith("p"):
        as_pickle(path, trap.content())
    else:
        path.write_text(f"!!python/object/apply:os.mkdir ['{trap.trace}']")
    loss = dict(type="CrossEntropyLoss", class_weight=str(path))
    with pytest.raises(InputError):
        build_network(network_cfg(loss=loss), 3)
    assert not trap.trace.exists()
    fileio.dump([1.0, 2.0, 3.0], path)
    network, _ = build_network(network_cfg(loss=loss), 3)
    assert network.decode_head.loss_decode.class_weight == [1, 2, 3]


def test_pickled_medical_images(trap, registered_modules):
    for value, content in ((2.0, np.ones((2, 2))), (None, trap.content())):
        try:
            found = datafrombytes(pickle.dumps(content), "pickle").sum() / 2
        except InputError:
            found = None
        assert found == value
    assert not trap.trace.exists()


@pytest.mark.parametrize("place", ["model", "part", "test_pipeline", "method"])
def test_types_of_a_checkpoint(trap, run, scenes, tmp_path, place):
    """MMEngine imports and calls what a type with dots names."""
    folder, file = run
    path = folder / "step_02" / "checkpoint.pth"
    content = load_step(path)
    evil = {"type": "os.mkdir", "path": str(trap.trace)}
    if place == "model":
        content["meta"]["model"] = evil
    elif place == "part":
        content["meta"]["model"]["decode_head"]["loss_decode"] = evil
    elif place == "test_pipeline":
        content["meta"]["test_pipeline"].insert(1, evil)
    else:
        content["method"]["type"] = "os.getcwd"
    save_plain(path, content)
    for command in (
        ("infer", path, scenes / "JPEGImages", "--out", tmp_path / "out"),
        ("export", path, "--out", tmp_path / "out.onnx"),
    ):
        assert "'os." in trap.refused(*command)


def test_archive_of_cifar(trap, tmp_path, capfd):
    source = tmp_path / "cifar.tar.gz"
    with tarfile.open(source, "w:gz") as archive:
        for name in ("meta", "train", "test"):
            content = pickle.dumps({b"data": Evil(trap.trace)}, 2)
            member = tarfile.TarInfo(f"cifar-100-python/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    convert = main_of("tools/dataset_converters/cifar100.py")
    assert run_guarded(convert, [str(source), str(tmp_path / "out")]) == 2
    assert "nothing of it was run" in capfd.readouterr().err
    assert not trap.trace.exists()


def test_cached_index(trap, config_file, tmp_path, monkeypatch):
    """It is rebuilt instead."""
    monkeypatch.setenv("VDFD_SEG_CACHE", str(tmp_path / "cache"))
    file = config_file()
    assert run_command("train", [str(file), "--dry-run"]) == 0
    caches = list((tmp_path / "cache").iterdir())
    assert caches
    evil = io.BytesIO()
    array = np.empty(1, object)
    array[0] = Evil(trap.trace)
    np.save(evil, array, allow_pickle=True)
    for cache in caches:
        with zipfile.ZipFile(cache, "w") as archive:
            archive.writestr("counts.npy", evil.getvalue())
    assert run_command("train", [str(file), "--dry-run"]) == 0
    assert not trap.trace.exists()
