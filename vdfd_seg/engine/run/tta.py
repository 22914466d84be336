"""Test-time augmentation: predictions averaged over scales and flips of an image."""

import warnings

from mmseg.models import SegTTAModel

from vdfd_seg.datasets.segmentation.task_dataset import kind_of
from vdfd_seg.errors import InputError
from vdfd_seg.methods import Method
from vdfd_seg.models import ContinualLearner

SCALES = (0.5, 0.75, 1.25, 1.5, 1.75)
"""Next to the image as it is, those of MMSegmentation's configs."""


def averaging(learner: ContinualLearner) -> SegTTAModel:
    """MMSegmentation's model that averages the softmax of several views of an image."""
    method = learner.method
    if type(method).predict is not Method.predict:
        raise InputError(
            f"--tta averages what the network predicts, and {type(method).__name__} predicts "
            f"otherwise; leave it out."
        )
    # That a mask without channels is given one, for every image.
    warnings.filterwarnings("ignore", message="The shape of value will convert")
    return SegTTAModel(module=learner.network)


def augmented(loader: dict) -> dict:
    """A config's ``test_dataloader`` that gives each image in every scale, plain and flipped."""
    *transforms, pack = loader["dataset"]["pipeline"]
    if kind_of(pack["type"]) != "PackSegInputs":
        raise InputError("--tta needs a test pipeline that ends in PackSegInputs.")
    resized = [{"type": "Resize", "scale_factor": scale, "keep_ratio": True} for scale in SCALES]
    flips = [{"type": "RandomFlip", "prob": prob, "direction": "horizontal"} for prob in (0.0, 1.0)]
    # The first view is changed by nothing: what is counted are its labels.
    views = {"type": "TestTimeAug", "transforms": [[flips[0], *resized], flips, [pack]]}
    return {**loader, "dataset": {**loader["dataset"], "pipeline": [*transforms, views]}}
