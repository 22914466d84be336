"""Losses for continual learning, one file each, registered for mmsegmentation's heads."""

from vdfd_seg.utils.installation import quiet_imports

with quiet_imports():
    from vdfd_seg.losses.distillation import (
        distillation_loss,
        distillation_over_groups,
        sigmoid_distillation,
    )
    from vdfd_seg.losses.half_precision import wide
    from vdfd_seg.losses.local_pod import (
        local_pod,
        local_pod_distance,
        local_pod_loss,
        merge_new_classes,
    )
    from vdfd_seg.losses.pooled_cube import (
        channel_cube_distance,
        pooled_cube_loss,
        spatial_cube_distance,
    )
    from vdfd_seg.losses.sigmoid_cross_entropy import sigmoid_cross_entropy
    from vdfd_seg.losses.unbiased_cross_entropy import (
        TaskAwareLoss,
        UnbiasedCrossEntropyLoss,
        unbiased_cross_entropy,
    )
    from vdfd_seg.losses.unbiased_distillation import (
        new_classes_as_background,
        unbiased_distillation,
    )

__all__ = [
    "TaskAwareLoss",
    "UnbiasedCrossEntropyLoss",
    "channel_cube_distance",
    "distillation_loss",
    "distillation_over_groups",
    "local_pod",
    "local_pod_distance",
    "local_pod_loss",
    "merge_new_classes",
    "new_classes_as_background",
    "pooled_cube_loss",
    "sigmoid_cross_entropy",
    "sigmoid_distillation",
    "spatial_cube_distance",
    "unbiased_cross_entropy",
    "unbiased_distillation",
    "wide",
]
