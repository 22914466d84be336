"""Elastic weight consolidation."""

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.methods.context import TaskContext
from vdfd_seg.methods.importance import RunningImportance, mean_over_images
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class EWC(RunningImportance):
    r"""Importances are the diagonal of the Fisher information.

    .. math::
        F_k = \frac{1}{N} \sum_x \Big(\frac{\partial}{\partial w_k}
        \log q_{\hat y(x)}(x; w^*)\Big)^2, \qquad
        F \leftarrow \alpha F_{old} + (1 - \alpha) F,

    with :math:`\hat y` the predicted class and each image's own gradient (pixels: of the mean
    over the image). Kirkpatrick et al., PNAS 2017; one running Fisher as in online EWC (Schwarz
    et al., ICML 2018) and FACIL, whose defaults these are.

    Args:
        weight: :math:`\lambda`.
        alpha: Share of the old Fisher when tasks are merged.
        images: How many of a task's images the estimate uses; None for all.
        per_filter: One importance for each filter,
            see :class:`~vdfd_seg.methods.importance.ImportancePenalty`.
        permuted: Importances at random places, a control; see there too.

    Raises:
        InputError: For a negative weight, or alpha outside [0, 1].
    """

    def __init__(
        self,
        weight: float = 5000.0,
        alpha: float = 0.5,
        images: int | None = None,
        per_filter: bool = False,
        permuted: bool = False,
    ):
        super().__init__(weight, alpha, images, per_filter, permuted)

    def estimate(self, context: TaskContext) -> dict[str, Tensor]:
        """The Fisher information's diagonal for the task just learned."""

        def surprise(logits: Tensor) -> Tensor:
            return F.cross_entropy(logits, logits.detach().argmax(1))

        return mean_over_images(context, self.images, surprise, lambda g: g.double().square())
