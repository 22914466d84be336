"""Backbone weights from a file."""

import os
import pickle

import pytest
import torch
from torch import nn

from vdfd_seg.errors import InputError
from vdfd_seg.pretrained import load_pretrained


def backbone():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


def loaded(path, content):
    torch.save(content, path)
    network = backbone()
    load_pretrained(network, path)
    return network


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: state,
        lambda state: {"state_dict": state, "meta": {"epoch": 3}},
        lambda state: {f"backbone.{k}": v for k, v in state.items()},
        lambda state: {
            "state_dict": {
                **{f"backbone.{k}": v for k, v in state.items()},
                "head.w": state["0.bias"],
            }
        },
        lambda state: {**state, "fc.weight": torch.ones(2)},
        lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
    ],
)
def test_every_usual_layout_gives_the_same_weights(path, wrap):
    source = backbone()
    nn.init.normal_(source[1].running_mean)
    network = loaded(path, wrap(source.state_dict()))
    for name, value in source.state_dict().items():
        assert torch.equal(network.state_dict()[name], value)


class TestRefused:
    def refused(self, path, message):
        network = backbone()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        with pytest.raises(InputError, match=message) as caught:
            load_pretrained(network, path)
        assert str(path) in str(caught.value)
        assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())

    def test_missing_file(self, path):
        self.refused(path, "do not exist; set model.backbone.init_cfg")

    def test_missing_parameter(self, path):
        state = backbone().state_dict()
        del state["1.running_var"]
        torch.save(state, path)
        self.refused(path, r"lack '1\.running_var' \(1 of 7")

    def test_another_shape(self, path):
        state = backbone().state_dict()
        state["0.weight"] = torch.zeros(4, 3, 5, 5)
        torch.save(state, path)
        self.refused(path, r"'0\.weight' has shape \(4, 3, 5, 5\)")

    @pytest.mark.parametrize("content", [[torch.zeros(2)], torch.zeros(2), {"state_dict": 3}])
    def test_not_tensors_by_name(self, path, content):
        torch.save(content, path)
        self.refused(path, "not tensors by name")

    def test_a_single_odd_key(self, path):
        torch.save({**backbone().state_dict(), 3: torch.zeros(1), "backbone.x": 1}, path)
        self.refused(path, "lack")

    @pytest.mark.parametrize("cut", [0, 30, 900])
    def test_truncated(self, path, cut):
        torch.save(backbone().state_dict(), path)
        path.write_bytes(path.read_bytes()[:cut])
        self.refused(path, "damaged")

    @pytest.mark.parametrize("content", [b"no weights", b"h\x05.", b"\x80\x02}q\x00h\x07."])
    def test_other_files(self, path, content):
        path.write_bytes(content)
        self.refused(path, "damaged")

    @pytest.mark.parametrize("write", [torch.save, lambda o, p: p.write_bytes(pickle.dumps(o))])
    def test_a_malicious_file_executes_nothing(self, path, tmp_path, write):
        trace = tmp_path / "executed"

        class Evil:
            def __reduce__(self):
                return os.mkdir, (str(trace),)

        write({"state_dict": Evil()}, path)
        self.refused(path, "damaged or hold objects other than tensors")
        assert not trace.exists()
