"""Every config that ships can be loaded, and its network built and grown."""

import json
from functools import cache
from pathlib import Path

import pytest
import torch

from vdfd_seg.engine import load_settings
from vdfd_seg.engine.environment import set_up
from vdfd_seg.engine.networks import build_network
from vdfd_seg.models import SegmentationView

ROOT = Path(__file__).parent.parent / "configs"
CONFIGS = sorted(p for p in ROOT.rglob("*.py") if "_base_" not in p.parts)


@cache
def outputs_of(model: str, num_classes: int) -> torch.Size:
    """Shape of the logits; cached, since many configs share one network."""
    set_up()
    network, _ = build_network(json.loads(model), num_classes)
    view = SegmentationView(network.eval())
    with torch.no_grad():
        return view.logits(torch.zeros(1, 3, 64, 64)).shape


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_config_builds(path):
    settings = load_settings(path)
    last = len(settings.protocol.tasks) - 1
    model = settings.for_step(last).model.to_dict()
    # The losses differ between configs of one network; the logits do not.
    model["decode_head"].pop("loss_decode")
    classes = settings.protocol.num_classes(last)
    assert outputs_of(json.dumps(model, sort_keys=True), classes)[1] == classes


def test_names_say_the_protocol_and_the_dataset():
    for path in CONFIGS:
        protocol = load_settings(path).protocol
        assert f"{protocol.dataset.lower()}-{protocol.name}" in path.stem


def test_every_base_is_used():
    text = "".join(p.read_text() for p in ROOT.rglob("*.py"))
    unused = [p.name for p in (ROOT / "_base_").rglob("*.py") if f"{p.name}'" not in text]
    assert not unused
