"""The guide for writing a method: its examples are taken from the page and trained with."""

import importlib
import json
import math
import sys
from types import SimpleNamespace

import pytest
import torch

from tests.documented import files_of, shown
from tests.methods import test_contract as contract
from tests.test_resume import differences
from tests.tiny import changed, tiny_classifier_config, write_config
from vdfd_seg.cli import run_command
from vdfd_seg.engine import load_run
from vdfd_seg.registry import METHODS

CONFIG = {"type": "PrototypeRehearsal", "weight": 0.5}
PAGE, MODULE, NAME = "write_a_method.md", "prototype_rehearsal", "PrototypeRehearsal"
DISTILLATION = "OutputDistillation"
REGISTERED = METHODS.module_dict

# What every method of the package promises, the examples do.
start, second = contract.start, contract.second
globals().update({key: test for key, test in vars(contract).items() if key.startswith("test_")})


@pytest.fixture(params=[NAME, DISTILLATION])
def name(request):
    return request.param


@pytest.fixture(params=["segmentation", "task", "class"])
def case(request):
    return request.param


@pytest.fixture(scope="module", autouse=True)
def folder(stack, tmp_path_factory):
    """A folder with the page's files."""
    root = tmp_path_factory.mktemp("guide")
    with shown(PAGE, root, MODULE, REGISTERED, NAME) as folder:
        importlib.import_module("output_distillation")
        yield folder
        del REGISTERED[DISTILLATION], sys.modules["output_distillation"]


def run(file, work_dir, *arguments):
    """Run ``vdfd_seg train``; its results."""
    assert run_command("train", [str(file), "--work-dir", str(work_dir), *arguments]) == 0
    return json.loads((work_dir / "results.json").read_text())


def checkpoint(work_dir, step):
    return torch.load(work_dir / f"step_{step:02d}" / "checkpoint.pth", weights_only=True)


def with_method(base):
    imports = {"imports": ["prototype_rehearsal"], "allow_failed_imports": False}
    return changed(base, {"method": CONFIG, "custom_imports": imports})


def test_it_is_short_and_the_page_s_config_loads(folder):
    lines = files_of(PAGE)["prototype_rehearsal.py"].splitlines()
    assert len([line for line in lines if line.strip()]) <= 60
    for name, kind in (("rehearsal", NAME), ("distilled", DISTILLATION)):
        settings = load_run("digitscenes_4-3", folder / f"{name}.py")
        assert settings.name == f"{name}_digitscenes_4-3"
        assert type(settings.method()).__name__ == kind


def test_classification_trains_old_heads_and_resumes(digits, tmp_path):
    config = with_method(tiny_classifier_config(digits, CONFIG, "class"))
    file = write_config(tmp_path / "tiny.py", changed(config, {"train_cfg.max_epochs": 1}))
    run(file, tmp_path / "whole")
    run(file, tmp_path / "part", "--steps", "0:2")
    run(file, tmp_path / "part", "--resume")
    first, last = (checkpoint(tmp_path / "whole", step)["state_dict"] for step in (0, 2))
    assert not torch.equal(first["heads.0.weight"], last["heads.0.weight"])
    assert differences(last, checkpoint(tmp_path / "part", 2)["state_dict"]) == []


def test_loss_by_hand(successor, losses_of):
    """The mean of one class moved onto another's row costs what the formula says."""
    step = successor(CONFIG)
    rows, bias = (part.detach() for part in step.adapter.classifier())
    expected = 0.0
    for label, mean in enumerate(step.method.means):
        scores = rows @ mean + bias
        expected += float(torch.logsumexp(scores, 0) - scores[label]) / len(step.method.means)
    assert float(losses_of(step)["loss_rehearsal"].detach()) == pytest.approx(
        0.5 * expected, rel=1e-5
    )


def test_distillation_by_hand(successor):
    """Nothing at the network it begins from; at others the divergence of the softened rows."""
    step = successor({"type": DISTILLATION, "weight": 3.0, "temperature": 2.0})
    old = torch.tensor([[0.0, 2.0]])
    step.adapter.old_outputs = lambda *_: SimpleNamespace(all_logits=old)
    # p = sigmoid(1): KL = (2p - 1) log(p / (1 - p)), and the log is 1.
    away = 3.0 * 4.0 * math.tanh(0.5)
    for new, expected in (([[0.0, 2.0, 9.0]], 0.0), ([[2.0, 0.0, 9.0]], away)):
        outputs = SimpleNamespace(all_logits=torch.tensor(new))
        loss = float(step.method.extra_losses(step.adapter, outputs, None)["loss_kd"])
        assert loss == pytest.approx(expected, abs=1e-6)
