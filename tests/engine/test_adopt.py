"""Networks that mmsegmentation trained become step 0, and their files execute nothing."""

import shutil

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer

from tests.bad_input.damage import Evil
from tests.tiny import TASKS
from vdfd_seg.cli import run_command
from vdfd_seg.methods import VDFD
from vdfd_seg.utils.checkpoint import digest, load_step
from vdfd_seg.utils.mmseg_checkpoint import load_untrusted

CLASSES = list(TASKS[0])


class Copier:
    """Pickles into a call that writes a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return shutil.copy, (__file__, str(self.path))


class EvilList(list):
    """Its class has a method that reading it would call."""

    def append(self, value):
        raise AssertionError("code of the file's class ran")

    extend = append


@pytest.fixture(scope="module")
def start(vdfd_run):
    """Step 0 of a finished run."""
    return load_step(vdfd_run.path / "step_00" / "checkpoint.pth")


@pytest.fixture
def foreign(start, tmp_path):
    """Write a checkpoint as mmengine's hook does, with changes."""

    def write(classes=CLASSES, order=None, state=None, **more):
        state = dict(state or start["state_dict"])
        for name in ("decode_head.conv_seg.weight", "decode_head.conv_seg.bias"):
            if order is not None:
                state[name] = state[name][order]
        meta = {"epoch": 3, "seed": np.int64(7), "cfg": ConfigDict(a=ConfigDict(b=[1]))}
        if classes is not None:
            meta["dataset_meta"] = {"classes": tuple(classes), "palette": [[0, 0, 0]]}
        path = tmp_path / "foreign.pth"
        content = {
            "meta": meta,
            "state_dict": state,
            "message_hub": {"log_scalars": {"loss": HistoryBuffer([1.0, 2.0], [1, 1])}},
            "optimizer": {"state": {}, "lr": np.float64(0.1)},
            **more,
        }
        torch.save(content, path)
        return path

    return write


@pytest.fixture(scope="module")
def images(scenes, tmp_path_factory):
    """The images that step 0 of the tiny protocol trains on, without their masks."""
    folder = tmp_path_factory.mktemp("images")
    for number in (0, 1, 2, 3, 4, 8, 11):
        shutil.copy(scenes / "JPEGImages" / f"train_{number:02d}.jpg", folder)
    return folder


@pytest.fixture
def given(config_file, images, tmp_path):
    def arguments(checkpoint, config=None, images=images):
        work_dir = tmp_path / "work"
        return config_file(config), checkpoint, "--images", images, "--work-dir", work_dir

    return arguments


@pytest.fixture
def adopt(given, stack):
    """Adopt a checkpoint; returns step 0."""

    def run(checkpoint):
        *arguments, work_dir = given(checkpoint)
        assert run_command("adopt", list(map(str, (*arguments, work_dir)))) == 0
        return load_step(work_dir / "step_00" / "checkpoint.pth")

    return run


@pytest.fixture
def refused(refused, given, tmp_path):
    def run(checkpoint, *words, **changes):
        error = refused("adopt", *given(checkpoint, **changes))
        assert not [word for word in words if word not in error], error
        assert not list((tmp_path / "work").rglob("*"))

    return run


class TestReading:
    def test_nothing_is_executed(self, foreign, tmp_path, adopt):
        mark = tmp_path / "ran"
        path = foreign(evil=Copier(mark))
        assert type(load_untrusted(path)["evil"]).__name__ == "Placeholder"
        adopt(path)
        assert not mark.exists()

    def test_what_no_placeholder_can_stand_for_is_refused(self, foreign, start, tmp_path, refused):
        mark, bias = tmp_path / "ran", "decode_head.conv_seg.bias"
        refused(foreign(evil=EvilList([1, 2])), "foreign.pth", "nothing of it was run")
        refused(foreign(evil=Evil(mark)), "foreign.pth", "it asks for posix.mkdir")
        state = {**start["state_dict"], bias: Copier(mark)}
        refused(foreign(state=state), f"'{bias}'", "is no tensor")
        assert not mark.exists()


class TestStepZero:
    @pytest.mark.parametrize(
        ("classes", "order"), [(CLASSES, None), (["red", "background", "green"], [2, 0, 1])]
    )
    def test_is_the_runs_own_whatever_the_order_of_the_classes(
        self, foreign, adopt, start, classes, order
    ):
        """Same weights, same images, so the same memory."""
        adopted = adopt(foreign(classes=classes, order=order))
        assert digest(adopted["state_dict"]) == digest(start["state_dict"])
        assert digest(adopted["method"]) == digest(start["method"])
        for key in ("fingerprint", "dataset_meta", "model", "test_pipeline", "memory_bytes"):
            assert adopted["meta"][key] == start["meta"][key], key
        assert adopted["meta"]["train_images"] == 7

    def test_wrapped_weights_and_no_class_names(self, foreign, adopt, start, capsys):
        state = {f"module.{name}": value for name, value in start["state_dict"].items()}
        adopt(foreign(classes=None, state=state))
        assert "no classes; its outputs are taken to be ['background'" in capsys.readouterr().out


class TestBadInput:
    def test_weights_and_classes(self, foreign, start, refused):
        refused(foreign(classes=["background", "red", "cyan"]), "knows the classes", "'green'")
        name, row = "backbone.conv1.weight", "decode_head.conv_seg.bias"
        state = dict(start["state_dict"])
        refused(foreign(state={**state, name: state[name][:, :2]}), name, "foreign.pth", "shape")
        refused(foreign(state={**state, row: torch.zeros(5)}), row, "(5,)")
        refused(foreign(state={**state, name: state[name] * float("nan")}), name, "not finite")
        del state[name]
        refused(foreign(state=state), "lacks", name)

    def test_no_checkpoint(self, refused, tmp_path):
        refused(tmp_path / "none.pth", "none.pth' does not exist")
        (tmp_path / "text.pth").write_text("weights")
        refused(tmp_path / "text.pth", "text.pth", "no checkpoint")
        torch.save([1, 2], tmp_path / "list.pth")
        refused(tmp_path / "list.pth", "list.pth", "no tensors by name")
        torch.save({"meta": {}}, tmp_path / "meta.pth")
        refused(tmp_path / "meta.pth", "'meta' is no tensor")

    def test_methods_that_need_more(self, foreign, refused, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr(VDFD, "requires", frozenset({"labels"}))
            refused(foreign(), "VDFD", "labels", "has none")
        refused(foreign(), "SI", "step 0 itself", config={"method": {"type": "SI"}})

    def test_images(self, foreign, refused, scenes, tmp_path):
        refused(foreign(), "holds no images", images=scenes / "ImageSets")
        (tmp_path / "bad").mkdir()
        (tmp_path / "bad" / "a.jpg").write_bytes(b"no image")
        refused(foreign(), "cannot read", "a.jpg", images=tmp_path / "bad")

    def test_work_dir_that_holds_a_run(self, foreign, adopt, given, capfd):
        path = foreign()
        adopt(path)
        assert run_command("adopt", list(map(str, given(path)))) == 2
        assert "already holds a run" in capfd.readouterr().err
