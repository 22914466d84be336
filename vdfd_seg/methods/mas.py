"""Memory aware synapses."""

from torch import Tensor

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.importance import RunningImportance
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class MAS(RunningImportance):
    r"""Importances are how much the outputs' length changes with a parameter.

    .. math::
        \Omega_k = \frac{1}{|B|} \sum_{b \in B} \Big|\frac{\partial}{\partial w_k} \frac{1}{|b|}
        \sum_{x \in b} \|f(x; w^*)\|_2\Big|

    over batches b of images (pixels: of the mean over the image). Batches of one image are the
    definition of Aljundi et al., ECCV 2018; FACIL, whose defaults these are, takes batches of 64.
    Needs no labels.

    Args:
        weight: :math:`\lambda`. Default 1 with ``estimator="facil"``, FACIL's own, and 2 with
            ``"image"``, the paper's 1, whose penalty has no factor 1/2.
        alpha, images, estimator, batch_size: See
            :class:`~vdfd_seg.methods.common.importance.RunningImportance`.
    """

    weights = {"facil": 1.0, "image": 2.0}

    def estimate(self, context: TaskContext) -> dict[str, Tensor]:
        """The sensitivity of the outputs' length for the task just learned."""

        def length(logits: Tensor) -> Tensor:
            # Over the classes, as a mean over images and pixels.
            return logits.norm(dim=1).mean()

        return self.averaged(context, length, lambda g: g.double().abs())
