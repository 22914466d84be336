import numpy as np
import pytest
import torch
from torch import nn

from tests.tiny import changed
from vdfd_seg.engine.networks import build_network
from vdfd_seg.errors import InputError
from vdfd_seg.models.pretrained import load_pretrained
from vdfd_seg.utils.checkpoint import digest


def backbone():
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "weights.pth"


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"state_dict": state, "meta": {"epoch": 3}},
        lambda state: {"head.w": state["0.bias"], **{f"backbone.{k}": v for k, v in state.items()}},
        lambda state: {**state, "fc.weight": torch.ones(2)},
        lambda state: {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")},
    ],
)
def test_every_usual_layout_gives_the_same_weights(path, wrap):
    source, network = backbone(), backbone()
    nn.init.normal_(source[1].running_mean)
    torch.save(wrap(source.state_dict()), path)
    load_pretrained(network, path)
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
        self.refused(path, "do not exist; .*model.backbone.init_cfg=None")

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"1.running_var": None}, r"lack '1\.running_var' \(1 of 7"),
            ({"0.weight": torch.zeros(4, 3, 5, 5)}, r"'0\.weight' has shape \(4, 3, 5, 5\)"),
            ({3: torch.ones(1), "backbone.x": torch.ones(1)}, "lack 'backbone.0.bias'"),
            ({"note": "x"}, "'note' is no tensor"),
            ([torch.zeros(2)], "tensors by name"),
            (torch.zeros(2), "tensors by name"),
        ],
    )
    def test_other_contents(self, path, content, message):
        if isinstance(content, dict):
            content = {**backbone().state_dict(), **content}
            content = {name: value for name, value in content.items() if value is not None}
        torch.save(content, path)
        self.refused(path, message)

    @pytest.mark.parametrize(
        "content", [b"", 30, 900, b"no weights", b"h\x05.", b"\x80\x02}q\x00h\x07."]
    )
    def test_damaged_and_other_files(self, path, content):
        torch.save(backbone().state_dict(), path)
        path.write_bytes(path.read_bytes()[:content] if isinstance(content, int) else content)
        self.refused(path, "damaged")


SWIN = dict(type="SwinTransformer", embed_dims=8, depths=(1, 1), num_heads=(1, 1), strides=(4, 2),
            out_indices=(0, 1), pretrain_img_size=32)  # fmt: skip
VIT = dict(type="VisionTransformer", img_size=32, embed_dims=8, num_layers=1, num_heads=1)
NETWORKS = {"resnet": {}, "swin": {"backbone": SWIN}, "vit": {"backbone": VIT}}
WAYS = {
    "backbone": ("backbone", {"backbone.init_cfg": ...}),
    "list": ("backbone", {"backbone.init_cfg": [...]}),
    "prefix": ("decode_head", {"decode_head.init_cfg": {"prefix": "decode_head."}}),
    "auxiliary head": ("auxiliary_head", {"auxiliary_head.init_cfg": {"prefix": "auxiliary_head"}}),
    "network": ("", {"init_cfg": ...}),
    "pretrained of the backbone": ("backbone", {"backbone.pretrained": "..."}),
    "pretrained of the network": ("backbone", {"pretrained": "..."}),
}


def initial(value, path):
    """What a way's placeholder stands for."""
    init = {"type": "Pretrained", "checkpoint": path}
    if isinstance(value, dict):
        return {**init, **value}
    return path if value == "..." else init if value is ... else [init]


class TestWays:
    """Every way of MMSegmentation's to name a file sets the weights of what it is named for."""

    @pytest.fixture
    def network(self, network_cfg):
        def build(kind, path=None, way=None, **given):
            changes = dict(NETWORKS[kind])
            config = changed(network_cfg(auxiliary=1), changes)
            for key, value in WAYS[way][1].items() if way else ():
                value = initial(value, str(path))
                config = changed(config, {key: value})
            return build_network(config, 3, pretrained=path is not None, **given)[0]

        return build

    # MMSegmentation's transformers with a reader of their own take no list.
    @pytest.mark.parametrize("kind, way", [(kind, way) for kind in NETWORKS for way in WAYS
                                           if kind == "resnet" or way != "list"])  # fmt: skip
    def test_sets_the_weights(self, network, path, kind, way):
        torch.manual_seed(1)
        source = network(kind)
        for value in source.state_dict().values():
            if value.is_floating_point():
                value += torch.rand(value.shape)
        torch.save({"state_dict": source.state_dict(), "meta": {"time": np.float64(1)}}, path)
        if kind == "vit" and WAYS[way][0] == "backbone":
            torch.save(source.backbone.state_dict(), path)
        torch.manual_seed(2)
        built = network(kind, path, way)
        for name, value in source.state_dict().items():
            same = torch.equal(built.state_dict()[name], value)
            assert same == name.startswith(WAYS[way][0]) or not value.is_floating_point(), name

    @pytest.mark.parametrize("kind", NETWORKS)
    def test_another_file_is_refused(self, network, path, kind):
        state = network(kind).backbone.state_dict()
        names = [name for name in state if not name.endswith("num_batches_tracked")]
        torch.save({"another.weight": torch.ones(1)}, path)
        with pytest.raises(InputError, match=f"weights.pth' lack '{min(names)}'"):
            network(kind, path, "backbone")
        name = max(name for name in names if name.endswith(("ln1.bias", "norm1.bias", "bn1.bias")))
        torch.save({**state, name: torch.ones(3)}, path)
        with pytest.raises(InputError, match=rf"{name}' has shape \(3,\)"):
            network(kind, path, "backbone")

    @pytest.mark.parametrize("way", WAYS)
    def test_later_steps_need_no_file(self, network_cfg, way):
        ((key, value),) = WAYS[way][1].items()
        value = initial(value, "gone.pth")
        build_network(changed(network_cfg(auxiliary=1), {key: value}), 3)

    def test_heads_begin_the_same_with_and_without_a_file(self, network, path):
        torch.manual_seed(1)
        without = network("resnet")
        torch.save(without.backbone.state_dict(), path)
        torch.manual_seed(1)
        built = network("resnet", path, "backbone")
        assert digest(dict(built.state_dict())) == digest(dict(without.state_dict()))
