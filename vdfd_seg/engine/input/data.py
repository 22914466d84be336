"""Opening the images that a config's protocol needs."""

import inspect

from mmengine.dist import barrier, is_main_process

from vdfd_seg.datasets.classification.arrays import read_arrays
from vdfd_seg.datasets.classification.data import ClassificationData
from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.datasets.segmentation.crops import evaluated_part
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.datasets.segmentation.labels import check_pipeline, check_unlabelled
from vdfd_seg.datasets.segmentation.source import open_source
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.registry import FUNCTIONS


def open_data(settings: Settings, strict: bool = True) -> ContinualData:
    """Open the images of a config's protocol, and index those of segmentation.

    Args:
        settings: The run's settings.
        strict: Refuse masks with ids that the protocol's data set does not have.
    """
    read = _segmentation if settings.protocol.problem == "segmentation" else _classification
    if is_main_process():
        prepare_data(settings.config.get("data_preparation"))
        data = read(settings, strict)
    barrier()
    # An index is cached by now.
    return data if is_main_process() else read(settings, strict)


def prepare_data(cfg: dict | None) -> None:
    """Run a config's ``data_preparation``: a registered function that writes the data set."""
    if not cfg:
        return
    arguments = dict(cfg)
    kind = arguments.pop("type", None)
    function = FUNCTIONS.get(str(kind))
    if function is None:
        raise unknown_name("data preparation", kind, FUNCTIONS.module_dict)
    try:
        inspect.signature(function).bind(**arguments)
    except TypeError as error:
        raise InputError(f"data_preparation {kind}: {error}") from error
    function(**arguments)


def _segmentation(settings: Settings, strict: bool) -> ContinualData:
    config, protocol, progress = settings.config, settings.protocol, is_main_process()
    train, test = (
        open_source(config[f"{part}_dataloader"]["dataset"], protocol, progress, strict)
        for part in ("train", "test")
    )
    crop = evaluated_part(config.test_dataloader["dataset"]["pipeline"])
    data = SegmentationData(protocol, train, test, config.get("evaluate_on", "test"), crop)
    checked: list = []
    for config in settings.steps if strict else ():
        check_unlabelled(config.model, "model")
        for part in ("train", "test"):
            pipeline = config[f"{part}_dataloader"]["dataset"]["pipeline"]
            if (part, pipeline) not in checked:
                check_pipeline(data, part, pipeline)
                checked.append((part, pipeline))
    return data


def _classification(settings: Settings, strict: bool) -> ContinualData:
    found = []
    for part in ("train", "test"):
        cfg = dict(settings.config[f"{part}_dataloader"]["dataset"])
        kind = cfg.pop("type", None)
        if kind not in ("ImageArrays", "vdfd_seg.ImageArrays"):
            raise unknown_name(f"{part}_dataloader.dataset.type", kind, ["vdfd_seg.ImageArrays"])
        for key in cfg:
            if key not in ("data_root", "split"):
                raise unknown_name(f"key in {part}_dataloader.dataset", key, ["data_root", "split"])
        if "data_root" not in cfg:
            raise InputError(f"{part}_dataloader.dataset.data_root is missing.")
        found.append(read_arrays(cfg["data_root"], cfg.get("split", part)))
    train, test = found
    evaluate_on = settings.config.get("evaluate_on", "test")
    return ClassificationData(settings.protocol, train, test, evaluate_on)
