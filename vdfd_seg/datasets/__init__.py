"""How images and labels are served; importing it registers its transforms and functions."""

from vdfd_seg.datasets.cifar import convert_cifar100, read_cifar100_python
from vdfd_seg.datasets.cityscapes import CityscapesTrainVal, convert_cityscapes
from vdfd_seg.datasets.classification_data import ClassificationData
from vdfd_seg.datasets.crops import EvaluationCrop, RandomResizedCrop
from vdfd_seg.datasets.digit_scenes import write_digit_scenes
from vdfd_seg.datasets.digits import write_digits
from vdfd_seg.datasets.image_arrays import ImageArrays, read_arrays, write_arrays
from vdfd_seg.datasets.image_batches import ImageBatches, LabelledImages
from vdfd_seg.datasets.image_folder import read_image_folder
from vdfd_seg.datasets.index import ClassIndex, build_index
from vdfd_seg.datasets.preparation import prepare_data
from vdfd_seg.datasets.protocol_data import ProtocolData
from vdfd_seg.datasets.sampler import DrawSampler, ViewSampler
from vdfd_seg.datasets.seeding import derived_seed
from vdfd_seg.datasets.source import Source, open_source
from vdfd_seg.datasets.task_dataset import Sample, TaskDataset
from vdfd_seg.datasets.transforms import BlankLabels, MaskLabels
from vdfd_seg.datasets.voc_aug import convert_voc_aug

__all__ = [
    "BlankLabels",
    "CityscapesTrainVal",
    "ClassIndex",
    "ClassificationData",
    "DrawSampler",
    "EvaluationCrop",
    "ImageArrays",
    "ImageBatches",
    "LabelledImages",
    "MaskLabels",
    "ProtocolData",
    "RandomResizedCrop",
    "Sample",
    "Source",
    "TaskDataset",
    "ViewSampler",
    "build_index",
    "convert_cifar100",
    "convert_cityscapes",
    "convert_voc_aug",
    "derived_seed",
    "open_source",
    "prepare_data",
    "read_arrays",
    "read_cifar100_python",
    "read_image_folder",
    "write_arrays",
    "write_digit_scenes",
    "write_digits",
]
