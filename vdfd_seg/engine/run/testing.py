"""Evaluating the network of a finished step, also on the task that follows."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path

from mmengine.device import get_device
from mmengine.model import BaseModel

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.networks import checked_adapter, finished_network, network_of_step
from vdfd_seg.engine.run.environment import describe, forget_runner, set_up
from vdfd_seg.engine.run.evaluation import confusions_of_step, step_metrics
from vdfd_seg.engine.run.tta import augmented, averaging
from vdfd_seg.engine.state.checkpoints import check_origin, fitting
from vdfd_seg.engine.state.results_writer import ResultsWriter
from vdfd_seg.methods.finetune import FineTune
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
        Results as in ``results.json``; rows of steps that were not asked for are null.
    """
    if pictures or tta:
        settings.protocol.check_problem("--show-dir or --tta", "segmentation")
    set_up(launcher)
    saved = [load_step(path) for path in paths]
    data = open_data(settings)
    for path, content in zip(paths, saved, strict=True):
        check_origin(content, data, settings, path)
    writer = ResultsWriter(None, settings, data, describe(), command)
    if where := settings.config.get("prediction_dir"):
        writable_dir(where, "prediction_dir")
    for content in saved:
        step = content["meta"]["step"]
        learner = load_learner(settings, step, content)
        draw = pictures(data.protocol, step) if pictures else None
        writer.add(step, evaluate_step(settings, data, step, learner, draw, tta), content["meta"])
        forget_runner()
    return writer.results


def evaluate_step(
    settings: Settings,
    data: ContinualData,
    step: int,
    learner: ContinualLearner,
    pictures: Callable[[dict, list], object] | None = None,
    tta: bool = False,
) -> dict:
    """A step's metrics for ``results.json``; for the arguments see :func:`confusions_of_step`."""
    config = settings.for_step(step)
    where, loader = config.get("prediction_dir"), config.test_dataloader
    folder = Path(where) / step_name(step) if where else None
    model: BaseModel = averaging(learner) if tta else learner
    loader = augmented(loader) if tta else loader
    confusions = confusions_of_step(model, data, step, loader, folder, pictures)
    metrics = step_metrics(data.protocol, step, confusions)
    return metrics | _transfer(settings, data, step, learner.network.state_dict())


def _transfer(settings: Settings, data: ContinualData, step: int, state: dict) -> dict:
    """Evaluate the network after a step on the next task, if the config asks for it.

    The network is the one with which the next step starts, and predicts without the method. In
    domain-incremental protocols it is the network after the step. In task-incremental ones its
    head for the next task is new, as in Lopez-Paz and Ranzato's multi-head networks, so both
    values are near chance.

    Returns:
        For the step's entry of ``results.json``: ``next_task``, R[step][step + 1], and
        ``next_task_untrained``, that of a network with initial weights. Empty without the config's
        ``forward_transfer``, and after the last step.
    """
    following = step + 1
    if not settings.config.get("forward_transfer") or following == len(data.protocol.tasks):
        return {}
    config, own = settings.for_step(following), copy.copy(data)
    samples = [sample for sample in data.test_samples(following) if sample.task == following]
    own.test_samples = lambda step: samples  # type: ignore[method-assign]
    found = {}
    for key, old in (("next_task", state), ("next_task_untrained", None)):
        adapter = network_of_step(settings, following, old, "random")
        learner = ContinualLearner(adapter.network, FineTune(), adapter)
        confusions = confusions_of_step(learner, own, following, config.test_dataloader)
        found[key] = step_metrics(data.protocol, following, confusions)["row"][following]
    return found


def load_learner(settings: Settings, step: int, saved: dict) -> ContinualLearner:
    """The learner of a finished step, for evaluation; ``saved`` is its checkpoint."""
    model, protocol = settings.for_step(step).model, settings.protocol
    with fitting(saved, settings, step):
        network = finished_network(model, protocol.task_sizes(step), saved["state_dict"])
    method = settings.method()
    method.restore(saved["method"]["state"])
    learner = ContinualLearner(network, method, checked_adapter(network, protocol))
    return learner.to(get_device())
