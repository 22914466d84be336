"""Results on a task before it is trained, from which forward transfer is computed."""

import copy

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.networks import network_of_step
from vdfd_seg.engine.run.evaluation import confusions_of_step, step_metrics
from vdfd_seg.methods.finetune import FineTune
from vdfd_seg.models import ContinualLearner


def transfer_metrics(settings: Settings, data: ContinualData, step: int, state: dict) -> dict:
    """Evaluate the network after a step on the next task, if the config asks for it.

    The network is the one with which the next step starts, and predicts without the method. In
    domain-incremental protocols it is the network after the step. In task-incremental ones its
    head for the next task is new, as in Lopez-Paz and Ranzato's multi-head networks, so both
    values are near chance.

    Args:
        settings: The run's settings; nothing is measured without ``forward_transfer``.
        data: The protocol and its images.
        step: The step.
        state: The network's weights after it.

    Returns:
        For the step's entry of ``results.json``: ``next_task``, R[step][step + 1], and
        ``next_task_untrained``, that of a network with initial weights. Nothing after the last
        step.
    """
    following = step + 1
    if not settings.config.get("forward_transfer") or following == len(data.protocol.tasks):
        return {}
    config, own = settings.for_step(following), copy.copy(data)
    samples = [sample for sample in data.test_samples(following) if sample.task == following]
    own.test_samples = lambda step: samples  # type: ignore[method-assign]
    found = {}
    for key, old in (("next_task", state), ("next_task_untrained", None)):
        adapter = network_of_step(
            config.model, data.protocol, following, old, "random", settings.seed
        )
        learner = ContinualLearner(adapter.network, FineTune(), adapter)
        confusions = confusions_of_step(learner, own, following, config.test_dataloader)
        found[key] = step_metrics(data.protocol, following, confusions)["row"][following]
    return found
