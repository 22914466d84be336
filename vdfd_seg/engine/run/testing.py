"""Evaluating checkpoints that exist already."""

from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.device import get_device
from mmengine.model import BaseModel

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.networks import checked_adapter, finished_network
from vdfd_seg.engine.run.environment import describe, forget_runner, set_up
from vdfd_seg.engine.run.evaluation import confusions_of_step, step_metrics
from vdfd_seg.engine.run.transfer import transfer_metrics
from vdfd_seg.engine.run.tta import augmented, averaging
from vdfd_seg.engine.state.checkpoints import check_origin, fitting
from vdfd_seg.engine.state.results_writer import ResultsWriter
from vdfd_seg.errors import InputError
from vdfd_seg.models import ContinualLearner
from vdfd_seg.protocols import Protocol
from vdfd_seg.utils.checkpoint import load_step
from vdfd_seg.utils.files import writable_dir
from vdfd_seg.utils.paths import step_name


def evaluate_checkpoints(
    settings: Settings,
    paths: Sequence[Path],
    launcher: str = "none",
    command: str = "",
    pictures: Callable[[Protocol, int], Callable[[dict, list], object]] | None = None,
    tta: bool = False,
) -> dict:
    """Evaluate steps on every task seen, without training or writing.

    Args:
        settings: The config the checkpoints belong to.
        paths: Checkpoints of steps.
        launcher: ``"none"``, ``"pytorch"`` or ``"slurm"``.
        command: The command line, kept in the results.
        pictures: Gives for a step what is called with each batch and its predictions, see
            :class:`~vdfd_seg.inference.pictures.PictureWriter`. Segmentation only.
        tta: Average predictions over scales and flips, see :mod:`~vdfd_seg.engine.run.tta`.
            Segmentation only.

    Returns:
        Results as in ``results.json``; rows of steps that were not asked for are
        null.

    Raises:
        InputError: For a checkpoint that is damaged or of another protocol, or what is for
            segmentation only.
    """
    if (pictures or tta) and settings.protocol.problem != "segmentation":
        raise InputError("--show-dir and --tta are for segmentation.")
    set_up(launcher)
    saved = [load_step(path) for path in paths]
    data = open_data(settings)
    for path, content in zip(paths, saved, strict=True):
        check_origin(content, data, settings, path)
    writer = ResultsWriter(None, settings, data, describe(), command)
    where = settings.config.get("prediction_dir")
    if where:
        writable_dir(where, "prediction_dir")
    for content in saved:
        step = content["meta"]["step"]
        learner = load_learner(settings, data, step, content)
        folder = Path(where) / step_name(step) if where else None
        loader = settings.for_step(step).test_dataloader
        draw = pictures(data.protocol, step) if pictures else None
        model: BaseModel = averaging(learner) if tta else learner
        loader = augmented(loader) if tta else loader
        confusions = confusions_of_step(model, data, step, loader, folder, draw)
        metrics = step_metrics(data.protocol, step, confusions)
        metrics |= transfer_metrics(settings, data, step, content["state_dict"])
        writer.add(step, metrics, content["meta"])
        forget_runner()
    return writer.results


def load_learner(settings: Settings, data: ContinualData, step: int, saved: dict):
    """The learner of a finished step, for evaluation.

    Args:
        settings: The run's settings.
        data: The protocol and its images.
        step: The step.
        saved: Its checkpoint.
    """
    model = settings.for_step(step).model
    with fitting(saved, settings, step):
        network = finished_network(model, data.protocol.task_sizes(step), saved["state_dict"])
    method = settings.method()
    method.restore(saved["method"]["state"])
    learner = ContinualLearner(network, method, checked_adapter(network, data.protocol))
    return learner.to(get_device())
