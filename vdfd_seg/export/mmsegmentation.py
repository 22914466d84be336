"""A step as a checkpoint and a config that mmsegmentation loads without this package."""

from pathlib import Path

import torch
from mmengine.config import Config

from vdfd_seg.engine.networks import head_configs, model_config
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.errors import InputError
from vdfd_seg.inference.loading import head_sizes, import_modules, own_types, predicts_otherwise
from vdfd_seg.inference.masks import image_transforms, palette_of
from vdfd_seg.utils.checkpoint import load_step, to_plain
from vdfd_seg.utils.files import atomic_write, atomic_write_text
from vdfd_seg.utils.nested import types_in

HEADER = "# Written by 'vdfd_seg export'"


def export_mmseg(checkpoint: str | Path, out: str | Path) -> tuple[Path, Path]:
    """Write a step's network as mmsegmentation's own files.

    The config has the model (with as many classes as the step knows, and plain cross-entropy in
    place of this package's losses, which predicting does not use), the test pipeline, a
    visualizer, and where the network needs the run's ``custom_imports``, these; the checkpoint the
    unchanged weights, class names and palette, as ``torch.load(weights_only=True)`` reads them.

    Args:
        checkpoint: A step's checkpoint of segmentation.
        out: The new checkpoint, ending in ``.pth``; the config is next to it, ending in ``.py``.

    Returns:
        The paths of checkpoint and config.

    Raises:
        InputError: For a file that is no step's checkpoint, a classifier's, or a network or a
            method that mmsegmentation does not have; for a config that no export wrote.
    """
    out = Path(out)
    if out.suffix != ".pth":
        raise InputError(f"--out '{out}' must end in .pth; the config is written next to it.")
    config_file = out.with_suffix(".py")
    if config_file.exists() and not config_file.read_text(errors="replace").startswith(HEADER):
        raise InputError(
            f"--out '{out}' would overwrite '{config_file}', which no export wrote; choose another "
            f"name."
        )
    set_up()
    saved = load_step(checkpoint)
    import_modules(saved, checkpoint)
    meta = saved["meta"]
    if meta.get("problem", "segmentation") != "segmentation":
        raise InputError(
            f"checkpoint '{checkpoint}' is a classifier's, and mmsegmentation segments; export it "
            f"to ONNX instead."
        )
    if predicts_otherwise(saved):
        raise InputError(
            f"method {saved['method']['type']} predicts otherwise than its network alone, which is "
            f"all that mmsegmentation would get from '{checkpoint}'."
        )
    classes = list(meta["dataset_meta"]["classes"])
    model = _model(meta, head_sizes(saved), checkpoint)
    pipeline, modules = image_transforms(meta), meta.get("imports", [])
    config = _config(model, pipeline, modules if own_types([model, pipeline], modules) else [])
    content = {
        "state_dict": saved["state_dict"],
        "meta": to_plain(
            {
                "dataset_meta": {"classes": classes, "palette": palette_of(meta)},
                "vdfd_seg": {key: meta[key] for key in ("step", "protocol", "fingerprint")},
            }
        ),
    }
    atomic_write(out, lambda file: torch.save(content, file))
    return out, atomic_write_text(config_file, config)


def _model(meta, sizes, checkpoint):
    model = to_plain(model_config(meta["model"], sizes))
    # The checkpoint has all weights: there is nothing to initialise or download.
    model.pop("pretrained", None)
    if isinstance(model.get("backbone"), dict):
        model["backbone"].pop("init_cfg", None)
        model["backbone"].pop("pretrained", None)
    for head in head_configs(model):
        if "loss_decode" in head:
            head["loss_decode"] = _plain_loss(head["loss_decode"])
    ours = next((kind for kind in types_in(model) if kind.startswith("vdfd_seg.")), None)
    if ours is not None:
        raise InputError(
            f"the model of checkpoint '{checkpoint}' has a {ours}, which plain mmsegmentation does "
            f"not have; export it to ONNX instead."
        )
    return model


def _plain_loss(loss):
    if isinstance(loss, list):
        return [_plain_loss(each) for each in loss]
    if not str(loss["type"]).startswith("vdfd_seg."):
        return loss
    return {"type": "CrossEntropyLoss", "loss_weight": loss.get("loss_weight", 1.0)}


def _config(model, pipeline, modules):
    own = {"custom_imports": {"imports": modules, "allow_failed_imports": False}}
    config = {
        **(own if modules else {}),
        "default_scope": "mmseg",
        "model": model,
        "test_pipeline": pipeline,
        "test_dataloader": {"dataset": {"pipeline": pipeline}},
        "visualizer": {
            "type": "SegLocalVisualizer",
            "vis_backends": [{"type": "LocalVisBackend"}],
            "name": "visualizer",
        },
    }
    head = f"{HEADER}: predicting with a step's network in mmsegmentation.\n"
    return head + Config(config).pretty_text
