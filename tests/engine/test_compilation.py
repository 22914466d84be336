"""``compile``: the same training, whatever part of it is one graph."""

import shutil
from collections import OrderedDict
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._dynamo.utils import counters

from tests.test_resume import assert_same_run, checkpoint
from tests.tiny import changed, tiny_classifier_config, write_config
from vdfd_seg.engine.run.compilation import compiled

GRAPHS = {"FineTune": 1, "LwF": 1, "VDFD": 1, "VDFDPlus": 3}
"""How many graphs the loss of a later step takes. VDFD's penalty is in none; VDFDPlus looks cached
outputs up in between."""


@pytest.fixture(scope="module")
def file_of(digits, tmp_path_factory):
    """A config of two iterations a step, saved after each, ``compile`` as given."""
    folder = tmp_path_factory.mktemp("compile")

    def write(method, compilation, **changes):
        config = tiny_classifier_config(digits, {"type": method})
        short = {"train_cfg": {"max_iters": 2}, "param_scheduler": [], "save_interval": 1}
        config = changed(config, {**short, "compile": compilation, **changes})
        return write_config(folder / f"{method}_{bool(compilation)}.py", config)

    return write


@pytest.mark.parametrize("method", GRAPHS)
def test_the_whole_loss_of_a_classifier_is_compiled_and_equals_eager(
    file_of, train, method, monkeypatch
):
    """To a millionth; of PyTorch's own operations there is no other order to add in."""
    # Without a rehearsal, which would compile as well.
    plain = train("--steps", "0:2", file=file_of(method, None, rehearsal=False))
    graphs, reset = [], torch.compiler.reset
    reset()
    counters.clear()  # of other tests of this process

    def counting_reset():
        graphs.append(counters["stats"]["unique_graphs"])
        counters.clear()
        reset()

    monkeypatch.setattr(torch.compiler, "reset", counting_reset)
    option = {"backend": "aot_eager"}
    same = train("--steps", "0:2", file=file_of(method, option, rehearsal=False))
    assert graphs == [1, GRAPHS[method]]
    found, expected = (checkpoint(run, 1)["state_dict"] for run in (same, plain))
    for name, value in expected.items():
        assert torch.allclose(found[name], value, rtol=1e-6, atol=1e-7), name


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("c++"), reason="PyTorch's own backend needs a C++ compiler")
def test_pytorchs_own_backend_trains_and_its_gradients_are_measured(file_of, train):
    hooks = {"default_hooks.loss_health": {"interval": 1}}
    run = train("--steps", "0:2", file=file_of("LwF", True, rehearsal=False, **hooks))
    assert checkpoint(run, 1)


def test_resumed_equals_uninterrupted(file_of, train, interrupt, tmp_path):
    file = file_of("VDFD", {"backend": "aot_eager"}, rehearsal=False)
    whole = train("--steps", "0:2", file=file)
    interrupt(file, tmp_path / "work", step=1, at=1)
    resumed = train("--resume", "--steps", "0:2", file=file, work_dir=tmp_path / "work")
    assert_same_run(resumed, whole, step=1)


def test_what_cannot_be_compiled_is_refused_before_anything_trains(file_of, tmp_path, refused):
    """VDFD's penalty breaks the graph that ``fullgraph`` insists on."""
    file = file_of("VDFD", {"backend": "eager", "fullgraph": True})
    error = refused("train", file, "--work-dir", tmp_path / "work")
    assert "training of step 0" in error and "take compile.fullgraph out" in error, error
    assert not list(tmp_path.rglob("*.pth"))


def test_a_segmentors_backbone_is_compiled_and_then_as_before():
    calls = []

    def backend(graph, inputs):
        calls.append(len(inputs))
        return graph

    network = nn.Sequential(OrderedDict(backbone=nn.Linear(2, 2), head=nn.Linear(2, 1)))
    images = torch.ones(3, 2)
    expected, names = network(images), [*network.state_dict()]
    with compiled(SimpleNamespace(network=network), {"backend": backend}):
        assert torch.equal(network(images), expected)
        assert [*network.state_dict()] == names
    assert len(calls) == 1
    network(torch.ones(5, 2))
    assert len(calls) == 1
