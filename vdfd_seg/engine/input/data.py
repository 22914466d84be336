"""From a config to the images of its protocol."""

from mmengine.dist import barrier, is_main_process

from vdfd_seg.datasets.classification.arrays import read_arrays
from vdfd_seg.datasets.classification.data import ClassificationData
from vdfd_seg.datasets.conversion.preparation import prepare_data
from vdfd_seg.datasets.segmentation.crops import evaluated_part
from vdfd_seg.datasets.segmentation.data import SegmentationData
from vdfd_seg.datasets.segmentation.labels import check_pipeline, check_unlabelled
from vdfd_seg.datasets.segmentation.source import open_source
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.errors import InputError, unknown_name

Data = SegmentationData | ClassificationData


def open_data(settings: Settings, progress: bool = True, strict: bool = True) -> Data:
    """The images of a config's protocol; those of segmentation are indexed.

    Args:
        settings: The run's settings.
        progress: Show a progress bar while indexing.
        strict: Refuse masks with ids that the protocol's data set does not have.

    Raises:
        InputError: For data that is missing or does not fit the protocol.
    """
    config, protocol = settings.config, settings.protocol
    if is_main_process():
        prepare_data(config.get("data_preparation"))
    barrier()
    evaluate_on = config.get("evaluate_on", "test")
    read = _arrays if protocol.problem == "classification" else _sources
    if is_main_process():
        train, test = read(settings, progress, strict)
    barrier()
    if not is_main_process():
        # An index is cached by now.
        train, test = read(settings, False, strict)
    if protocol.problem == "classification":
        return ClassificationData(protocol, train, test, evaluate_on)
    checked: list = []
    crop = evaluated_part(config.test_dataloader["dataset"]["pipeline"])
    data = SegmentationData(protocol, train, test, evaluate_on, crop)
    if strict:
        for config in map(settings.for_step, range(len(protocol.tasks))):
            check_unlabelled(config.model, "model")
            for part in ("train", "test"):
                pipeline = config[f"{part}_dataloader"]["dataset"]["pipeline"]
                if (part, pipeline) not in checked:
                    check_pipeline(data, part, pipeline)
                    checked.append((part, pipeline))
    return data


def _sources(settings, progress, strict):
    return [
        open_source(settings.config[part]["dataset"], settings.protocol, progress, strict)
        for part in ("train_dataloader", "test_dataloader")
    ]


def _arrays(settings, *_):
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
    return found
