"""MMSegmentation's own base models, with an eighth of their channels."""

from pathlib import Path

import mmseg
from mmengine.config import Config

CONFIGS = Path(mmseg.__file__).parent / ".mim/configs"
FOLDER = CONFIGS / "_base_/models"
FURTHER = {
    "mobilenet-v2-d8_fcn": "mobilenet_v2/mobilenet-v2-d8_fcn_4xb2-80k_cityscapes-512x1024.py",
    "pspnet_r18b-d8": "pspnet/pspnet_r18b-d8_4xb2-80k_cityscapes-512x1024.py",
    "resnest_s101-d8_fcn": "resnest/resnest_s101-d8_fcn_4xb2-80k_cityscapes-512x1024.py",
    "segnext_mscan-t": "segnext/segnext_mscan-t_1xb16-adamw-160k_ade20k-512x512.py",
    "twins_svt-s_fpn": "twins/twins_svt-s_fpn_fpnhead_8xb4-80k_ade20k-512x512.py",
    # Backbones that no file has.
    "fcn_resnet50-v1d": "_base_/models/fcn_r50-d8.py",
    "fcn_resnext50": "_base_/models/fcn_r50-d8.py",
}
"""Networks with a head or a backbone that no base file has."""
FIXED = ("CGNet", "ERFNet", "MobileNetV2", "MobileNetV3")
"""Backbones whose widths are not in the config."""
SIZES = {
    "lraspp_m-v3-d8": 400,
    **dict.fromkeys(("stdc", "fast_scnn", "fcn_hr18", "ocrnet_hr18"), 64),
}
"""Height and width of the images where 32 pixels are too few to pool, or make maps of one pixel, of
which a batch of two has no variance to normalise by."""
# The base file's head is for a narrower backbone than the one that it names.
CHANGES = {
    "upernet_mae": {
        "decode_head": {"in_channels": [96] * 4},
        "auxiliary_head": {"in_channels": 96},
    },
    "fcn_resnet50-v1d": {"backbone": {"type": "ResNetV1d"}},
    "fcn_resnext50": {"backbone": {"type": "ResNeXt", "groups": 2, "base_width": 4}},
    "resnest_s101-d8_fcn": {"backbone": {"depth": 50}},
}


def narrow_network(name: str) -> dict:
    """The model of a base file, or of another, small, without class weights."""
    file = CONFIGS / FURTHER.get(name, f"_base_/models/{name}.py")
    model = Config.fromfile(file).model.to_dict()
    model = _narrow(model, model["backbone"]["type"] not in FIXED)
    for part, changes in CHANGES.get(name, {}).items():
        model[part].update(changes)
    model["data_preprocessor"].update(size=(SIZES.get(name, 32),) * 2)
    model.update(pretrained=None, test_cfg=dict(mode="whole"))
    return model


def _narrow(value, divides, key=""):
    if isinstance(value, dict):
        found = {k: _narrow(v, divides, k) for k, v in value.items() if k != "class_weight"}
        if str(found.get("type")).startswith("ResNe"):
            found.update(base_channels=8, stem_channels=8)
        if "img_size" in found:
            found["img_size"] = (32, 32)
        return found
    if isinstance(value, (list, tuple)):
        return type(value)(_narrow(each, divides, key) for each in value)
    wide = divides and isinstance(value, int) and value >= 16
    return value // 8 if wide and ("channels" in key or "dim" in key) else value
