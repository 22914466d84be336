"""Continual learning for segmentation and classification with VDFD.

VDFD (Variational Data-Free Knowledge Distillation for Continual Learning, Li,
Wang, Sun and Xu, TPAMI 45(10), 2023) keeps what a network has learned while
new classes and domains arrive, storing neither old data nor old networks.
"""

from vdfd_seg.version import __version__


def load_predictor(checkpoint, step=None, task=None):
    """The predictor of a step's checkpoint: :func:`vdfd_seg.inference.load_predictor`.

    ``load_predictor("step_02/checkpoint.pth")("image.jpg")`` is the image's mask, or for a
    classifier's checkpoint its class. Importing torch and the rest waits until this is called.

    Args:
        checkpoint: The file, or a work dir.
        step: Of a work dir, this step; default its last.
        task: Of a classifier, the images' task; default None: all classes seen compete.

    Returns:
        A :class:`vdfd_seg.inference.Predictor` or :class:`vdfd_seg.inference.ClassPredictor`.

    Raises:
        vdfd_seg.errors.InputError: For a checkpoint that cannot be used.
    """
    from vdfd_seg.utils.installation import quiet_imports

    with quiet_imports():
        from vdfd_seg import inference
    return inference.load_predictor(checkpoint, step, task)


__all__ = ["__version__", "load_predictor"]
