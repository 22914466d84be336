"""MMSegmentation's own base models, with an eighth of their channels."""

from pathlib import Path

import mmseg
from mmengine.config import Config

FOLDER = Path(mmseg.__file__).parent / ".mim/configs/_base_/models"
FIXED = ("CGNet", "ERFNet", "MobileNetV3")
"""Backbones whose widths are not in the config."""
SIZES = {"lraspp_m-v3-d8": 400, "stdc": 64}
"""Height and width of the images where 32 pixels are too few to pool or to normalise."""
# The base file's head is for a narrower backbone than the one that it names.
CHANGES = {"upernet_mae": {"decode_head": {"in_channels": [96] * 4},
                           "auxiliary_head": {"in_channels": 96}}}  # fmt: skip


def narrow_network(name: str) -> dict:
    """The model of a base file, small, without class weights."""
    model = Config.fromfile(FOLDER / f"{name}.py").model.to_dict()
    model = _narrow(model, model["backbone"]["type"] not in FIXED)
    for part, changes in CHANGES.get(name, {}).items():
        model[part].update(changes)
    model["data_preprocessor"].update(size=(SIZES.get(name, 32),) * 2)
    model.update(pretrained=None, test_cfg=dict(mode="whole"))
    return model


def _narrow(value, divides, key=""):
    if isinstance(value, dict):
        found = {k: _narrow(v, divides, k) for k, v in value.items() if k != "class_weight"}
        if str(found.get("type")).startswith("ResNet"):
            found.update(base_channels=8, stem_channels=8)
        if "img_size" in found:
            found["img_size"] = (32, 32)
        return found
    if isinstance(value, (list, tuple)):
        return type(value)(_narrow(each, divides, key) for each in value)
    wide = divides and isinstance(value, int) and value >= 16
    return value // 8 if wide and ("channels" in key or "dim" in key) else value
