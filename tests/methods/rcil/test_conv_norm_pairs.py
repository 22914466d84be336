import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from vdfd_seg.methods.rcil.compensation import branches, compensate, fold
from vdfd_seg.methods.rcil.conv_norm_pairs import conv_norm_pairs

NORM = dict(type="BN")


def found(network, part):
    pairs = [(f"{name}.{conv}", norm) for name, _, conv, norm in conv_norm_pairs(network)]
    return {name.removeprefix(f"{part}."): norm for name, norm in pairs if name.startswith(part)}


@pytest.mark.parametrize("backbone", ["resnet", "mobilenet"])
def test_blocks_of_a_backbone(tiny_network, backbone):
    """Of a mobilenet these are the depthwise convolutions."""
    network = tiny_network(3, backbone=backbone)
    names = {
        name
        for name, part in network.backbone.named_modules()
        if isinstance(part, nn.Conv2d) and part.kernel_size == (3, 3) and name.startswith("layer")
    }
    assert set(found(network, "backbone")) == names


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        # Not its pool, nor what follows.
        ("ASPPHead", {"aspp_modules.0.conv", "aspp_modules.1.conv"}),
        ("DepthwiseSeparableASPPHead", {
            "aspp_modules.0.conv", "aspp_modules.1.depthwise_conv.conv",
            "aspp_modules.1.pointwise_conv.conv",
        }),
    ],
)  # fmt: skip
def test_convolutions_of_an_aspp(tiny_network, head, expected):
    assert set(found(tiny_network(3, backbone="mobilenet", head=head), "decode_head")) == expected


def test_neither_auxiliary_heads_nor_frozen_stages(tiny_network):
    network = tiny_network(3, auxiliary=1)
    network.backbone.layer1.requires_grad_(False)
    names = [name for name, *_ in conv_norm_pairs(network)]
    assert not any(name.startswith(("auxiliary_head", "backbone.layer1")) for name in names)
    assert any(name.startswith("backbone.layer2") for name in names)


def test_only_batch_norms(tiny_network):
    network = tiny_network(3, norm_cfg={"type": "GN", "num_groups": 2})
    assert found(network, "decode_head") == {}
    assert found(network, "backbone")


def test_what_does_not_fold_is_left_alone(tiny_network):
    class Activated(nn.BatchNorm2d):
        """A norm that holds its activation."""

        def forward(self, maps):
            return super().forward(maps).relu()

    network = tiny_network(3)
    layer = network.backbone.layer1
    layer[0].bn1 = Activated(4)
    layer[0].conv2 = nn.utils.spectral_norm(layer[0].conv2)
    layer[1].conv1 = type("Standardised", (nn.Conv2d,), {"forward": lambda self, maps: maps})(
        4, 4, 3
    )
    names = found(network, "backbone")
    assert "layer1.1.conv2" in names
    assert not {"layer1.0.conv1", "layer1.0.conv2", "layer1.1.conv1"} & set(names)


BACKBONES = [
    dict(type="ResNet", depth=50, base_channels=4, stem_channels=4, norm_cfg=NORM),
    dict(type="ResNeXt", depth=50, groups=2, base_width=4, norm_cfg=NORM),
    dict(type="HRNet", norm_cfg=NORM, extra=dict(
        stage1=dict(num_modules=1, num_branches=1, block="BOTTLENECK", num_blocks=(1,),
                    num_channels=(4,)),
        stage2=dict(num_modules=1, num_branches=2, block="BASIC", num_blocks=(1, 1),
                    num_channels=(4, 8)),
        stage3=dict(num_modules=1, num_branches=3, block="BASIC", num_blocks=(1, 1, 1),
                    num_channels=(4, 8, 16)),
        stage4=dict(num_modules=1, num_branches=4, block="BASIC", num_blocks=(1, 1, 1, 1),
                    num_channels=(4, 8, 16, 32)))),
    dict(type="MobileNetV3", arch="small", norm_cfg=NORM),
    dict(type="STDCNet", stdc_type="STDCNet1", in_channels=3, bottleneck_type="cat", num_convs=4,
         channels=(4, 8, 16, 32, 64), norm_cfg=NORM, act_cfg=dict(type="ReLU")),
    dict(type="UNet", base_channels=4, norm_cfg=NORM),
]  # fmt: skip


@pytest.mark.parametrize("cfg", BACKBONES, ids=lambda cfg: cfg["type"])
def test_other_backbones_compute_the_same(registered_modules, cfg):
    """Also in training mode, where a pair that is not called in order is refused."""
    network = nn.Module()
    network.backbone, network.decode_head = MODELS.build(cfg), nn.Module()
    maps = torch.randn(2, 3, 64, 64)
    # Branches of layers that were never trained are drawn, others begin as copies.
    network.backbone.train()
    network.backbone(maps)
    network.backbone.eval()
    expected = network.backbone(maps)
    names = found(network, "backbone")
    compensate(network, frozen=False)
    assert list(branches(network)) == [f"backbone.{name}" for name in names]
    for before, after in zip(expected, network.backbone(maps), strict=True):
        assert torch.allclose(before, after, atol=1e-4)
    network.backbone.train()
    network.backbone(maps)
    fold(network)
    assert found(network, "backbone") == names
