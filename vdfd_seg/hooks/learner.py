"""The learner behind a Runner's model."""

from mmengine.model import is_model_wrapper


def learner_of(runner):
    """The :class:`~vdfd_seg.models.ContinualLearner` that a Runner trains, unwrapped."""
    return runner.model.module if is_model_wrapper(runner.model) else runner.model
