"""The method's mathematics, for plain PyTorch: torch and torch-geometric only.

In the order of the paper's formulas: the mean gradient of a task's outputs
(:class:`MeanGradientEstimator`), its compression to a :class:`GradientMemory`, the first-order
displacement of old outputs and its precision (:class:`PrecisionGCN`), and the loss
(:class:`VariationalDistillationLoss`). Next to it, what a variant needs:
the bound at the images that a step has (:class:`VariationalBound`), and classes as Gaussians whose
drift is followed (:class:`ClassGaussians`, :func:`linear_drift`, :func:`nearness`) or of which
features are replayed (:class:`FeatureGaussians`).
"""

from vdfd_seg.distillation.bound import VariationalBound
from vdfd_seg.distillation.class_gaussians import ClassGaussians
from vdfd_seg.distillation.estimator import MeanGradientEstimator
from vdfd_seg.distillation.feature_drift import LinearDrift, linear_drift, nearness
from vdfd_seg.distillation.feature_gaussians import FeatureGaussians
from vdfd_seg.distillation.kernels import penalisable_parameters
from vdfd_seg.distillation.loss import VariationalDistillationLoss
from vdfd_seg.distillation.memory import GradientMemory, MemoryMismatchError
from vdfd_seg.distillation.precision import PrecisionGCN, TaskPrecisions, class_graph

__all__ = [
    "ClassGaussians",
    "FeatureGaussians",
    "GradientMemory",
    "LinearDrift",
    "MeanGradientEstimator",
    "MemoryMismatchError",
    "PrecisionGCN",
    "TaskPrecisions",
    "VariationalBound",
    "VariationalDistillationLoss",
    "class_graph",
    "linear_drift",
    "nearness",
    "penalisable_parameters",
]
