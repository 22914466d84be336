"""A network and a method of a user's own modules: what a run's custom_imports named."""

import importlib
import sys

import numpy as np
import pytest

from vdfd_seg.errors import InputError
from vdfd_seg.export import export_mmseg
from vdfd_seg.inference import load_predictor
from vdfd_seg.registry import METHODS
from vdfd_seg.utils.checkpoint import load_step, save_plain

NET = """
from mmseg.models.backbones import ResNet
from mmseg.registry import MODELS

@MODELS.register_module()
class OwnNet(ResNet):
    pass
"""
METHOD = """
from vdfd_seg.methods import FineTune
from vdfd_seg.registry import METHODS

@METHODS.register_module()
class OwnMethod(FineTune):
    def predict(self, view, inputs, samples):
        outputs = super().predict(view, inputs, samples)
        for output in outputs:
            output.pred_sem_seg.data[:] = 1
        return outputs
"""


def forget():
    """As in a new process."""
    from mmseg.registry import MODELS

    MODELS.module_dict.pop("OwnNet", None)
    METHODS.module_dict.pop("OwnMethod", None)
    for name in ("own_net", "own_parts.method", "own_parts"):
        sys.modules.pop(name, None)
    importlib.invalidate_caches()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the modules are."""
    folder = tmp_path_factory.mktemp("modules")
    (folder / "own_net.py").write_text(NET)
    (folder / "own_parts").mkdir()
    (folder / "own_parts/__init__.py").write_text("")
    (folder / "own_parts/method.py").write_text(METHOD)
    yield folder
    forget()


@pytest.fixture(scope="module")
def own_run(folder, train):
    """One step with them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        run = train(
            "--steps", "0",
            config={
                "custom_imports": {
                    "imports": ["own_net", "own_parts.method"], "allow_failed_imports": False,
                },
                "model.backbone.type": "OwnNet", "method": {"type": "OwnMethod"},
                "step_overrides": {}, "train_cfg": {"max_iters": 1},
            },
        )  # fmt: skip
    forget()
    return run.path


def test_predicts_as_its_method_does(own_run, folder, scenes, monkeypatch):
    monkeypatch.syspath_prepend(folder)
    assert "own_net" not in sys.modules
    mask = load_predictor(own_run)(scenes / "JPEGImages/val_00.jpg")
    assert (mask == 1).all() and "own_parts.method" in sys.modules
    forget()


def test_export_to_mmsegmentation_names_them_too(own_run, folder, scenes, tmp_path, monkeypatch):
    from mmengine.config import Config
    from mmseg.apis import inference_model, init_model

    monkeypatch.syspath_prepend(folder)
    with pytest.raises(InputError, match="OwnMethod predicts otherwise"):
        export_mmseg(own_run / "step_00/checkpoint.pth", tmp_path / "step.pth")
    content = load_step(own_run / "step_00/checkpoint.pth")
    content["method"]["type"] = "FineTune"
    save_plain(tmp_path / "checkpoint.pth", content)
    weights, config = export_mmseg(tmp_path / "checkpoint.pth", tmp_path / "step.pth")
    predict = load_predictor(tmp_path / "checkpoint.pth")
    forget()
    written = Config.fromfile(config, import_custom_modules=False)
    assert written.custom_imports.imports == ["own_net", "own_parts.method"]
    model = init_model(str(config), str(weights), device="cpu")
    assert type(model.backbone).__name__ == "OwnNet"
    image = scenes / "JPEGImages/val_00.jpg"
    found = inference_model(model, str(image)).pred_sem_seg.data[0].numpy()
    assert np.array_equal(found, predict(image))
    forget()


def test_a_module_that_is_missing_is_named_and_a_defect_raised(own_run, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(InputError, match="'OwnMethod' .*no module 'own_net'.*PYTHONPATH"):
        load_predictor(own_run)
    (tmp_path / "own_net.py").write_text("raise RuntimeError('no licence')")
    with pytest.raises(RuntimeError, match="no licence"):
        load_predictor(own_run)
    forget()


def test_what_is_known_imports_nothing(vdfd_run, classifier, tmp_path):
    """Of a run whose modules prepared its data, or had its protocol."""
    for number, run in enumerate((vdfd_run, classifier())):
        content = load_step(run.path / "step_02/checkpoint.pth")
        assert content["meta"]["imports"] == []
        content["meta"]["imports"] = ["nowhere"]
        save_plain(tmp_path / f"{number}.pth", content)
        load_predictor(tmp_path / f"{number}.pth")
        if not number:
            _, config = export_mmseg(tmp_path / "0.pth", tmp_path / "plain.pth")
            assert "nowhere" not in config.read_text()
        content["method"]["type"] = "Unknown"
        save_plain(tmp_path / f"{number}.pth", content)
        with pytest.raises(InputError, match="'Unknown' from custom_imports.* no module 'nowhere'"):
            load_predictor(tmp_path / f"{number}.pth")
