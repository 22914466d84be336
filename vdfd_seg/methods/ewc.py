"""Elastic weight consolidation."""

import torch.nn.functional as F
from torch import Tensor

from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.importance import RunningImportance
from vdfd_seg.registry import METHODS


@METHODS.register_module()
class EWC(RunningImportance):
    r"""Importances are the diagonal of the Fisher information.

    .. math::
        F_k = \frac{1}{|B|} \sum_{b \in B} \Big(\frac{\partial}{\partial w_k} \frac{1}{|b|}
        \sum_{x \in b} \log q_{\hat y(x)}(x; w^*)\Big)^2, \qquad
        F \leftarrow \alpha F_{old} + (1 - \alpha) F,

    over batches b of images, with :math:`\hat y` the predicted class (pixels: of the mean over the
    image). Batches of one image are the definition of Kirkpatrick et al., PNAS 2017; FACIL, whose
    defaults these are, takes batches of 64, which makes F about 64 times smaller.

    Args:
        weight: :math:`\lambda`. Default 5000 with ``estimator="facil"``, FACIL's own, and 1000 with
            ``"image"``, the best of four on CIFAR-100 (docs/en/notes/results_cifar100.md).
        alpha, images, estimator, batch_size: See
            :class:`~vdfd_seg.methods.common.importance.RunningImportance`.
    """

    weights = {"facil": 5000.0, "image": 1000.0}

    def estimate(self, context: TaskContext) -> dict[str, Tensor]:
        """The Fisher information's diagonal for the task just learned."""

        def nll(logits: Tensor) -> Tensor:
            return F.cross_entropy(logits, logits.detach().argmax(1))

        return self.averaged(context, nll, lambda g: g.double().square())
