"""What methods share that distil from the network of the step before."""

from mmengine.dist import get_world_size
from torch import Tensor, nn

from vdfd_seg.methods.common.base import Method
from vdfd_seg.methods.common.context import TaskContext
from vdfd_seg.methods.common.options import not_negative
from vdfd_seg.models import adapter_of
from vdfd_seg.models.folding import fold_batch_norms


class TeacherMethod(Method):
    """Holds the network of the step before while a step trains, and carries nothing.

    Attributes:
        teacher: That network, in evaluation mode and without gradients, its batch norms folded into
            its convolutions; None at the first step.
        num_old: How many classes it knows.
        hides: Whether the background of the step's labels hides them.
    """

    requires = frozenset({"old_network"})
    num_old = 0
    hides = False
    # In a tuple: the old network is no part of what is trained, saved or wrapped.
    _old: tuple[nn.Module, ...] = ()

    @property
    def teacher(self) -> nn.Module | None:
        """The network of the step before."""
        return self._old[0] if self._old else None

    def before_task(self, context: TaskContext) -> None:
        """Take the network of the step before as teacher."""
        if context.old_network is not None:
            teacher, scenario = context.old_network(), context.protocol.scenario
            # An image for each process, where the step has so many.
            batch = next(context.batches(limit=get_world_size()), None)
            if batch is not None:
                teacher = fold_batch_norms(
                    teacher, lambda network: adapter_of(network, scenario).logits(batch[0])
                )
            self._old = (teacher,)
            self.num_old = context.num_old
            self.hides = self.num_hidden(context) > 0

    def after_task(self, context: TaskContext) -> dict:
        """Let the teacher go."""
        self._old = ()
        return {}


class LogitsDistillation(TeacherMethod):
    r"""Adds :math:`\lambda` times a distance from the teacher's logits.

    Args:
        weight: :math:`\lambda`.
    """

    weight: float = not_negative(1.0)

    def extra_losses(self, adapter, outputs, samples) -> dict[str, Tensor]:
        """The weighted distillation, from one forward pass of the old network."""
        if self.teacher is None:
            return {}
        return self.losses_of(adapter, outputs, adapter.old_outputs(self.teacher, outputs), samples)

    def losses_of(self, adapter, outputs, old, samples) -> dict[str, Tensor]:
        """The weighted distillation of ``outputs`` from ``old``, both of the adapter."""
        new = adapter.at_labels(outputs.all_logits, samples)
        loss = self.distilled(new, adapter.at_labels(old.all_logits, samples))
        return {"loss_kd": self.weight * loss}

    def distilled(self, new: Tensor, old: Tensor) -> Tensor:
        """The distance of ``new`` from ``old`` before weighting.

        Both are ``all_logits`` at the resolution of the labels, of K old classes and maybe more.
        """
        raise NotImplementedError
