"""Memory aware synapses."""

from torch import Tensor

from vdfd_seg.methods.context import TaskContext
from vdfd_seg.methods.importance import RunningImportance, mean_over_images
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class MAS(RunningImportance):
    r"""Importances are how much the outputs' length changes with a parameter.

    .. math::
        \Omega_k = \frac{1}{N} \sum_x \Big|\frac{\partial \|f(x; w^*)\|_2}{\partial w_k}\Big|

    Aljundi et al., ECCV 2018; merged over tasks as FACIL does, whose defaults these are (its
    penalty has no factor 1/2: its weight 1 is 2 here). Needs no labels.

    Args:
        weight: :math:`\lambda`.
        alpha: Share of the old importances when tasks are merged.
        images: How many of a task's images the estimate uses; None for all.
        per_filter: One importance for each filter,
            see :class:`~vdfd_seg.methods.importance.ImportancePenalty`.

    Raises:
        InputError: For a negative weight, or alpha outside [0, 1].
    """

    def __init__(
        self,
        weight: float = 2.0,
        alpha: float = 0.5,
        images: int | None = None,
        per_filter: bool = False,
    ):
        super().__init__(weight, alpha, images, per_filter)

    def estimate(self, context: TaskContext) -> dict[str, Tensor]:
        """The sensitivity of the outputs' length for the task just learned."""

        def length(logits: Tensor) -> Tensor:
            # Over the classes, as a mean over pixels.
            return logits.norm(dim=1).mean()

        return mean_over_images(context, self.images, length, lambda g: g.double().abs())
