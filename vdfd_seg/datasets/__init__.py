"""How images and labels are served; importing it registers its transforms and functions."""

from vdfd_seg.utils.environment import quiet_imports

with quiet_imports():
    from vdfd_seg.datasets.classification.arrays import ImageArrays, read_arrays, write_arrays
    from vdfd_seg.datasets.classification.batches import ImageBatches, LabelledImages
    from vdfd_seg.datasets.classification.data import ClassificationData
    from vdfd_seg.datasets.classification.folder import read_image_folder
    from vdfd_seg.datasets.conversion.cifar import convert_cifar100, read_cifar100_python
    from vdfd_seg.datasets.conversion.cityscapes import convert_cityscapes
    from vdfd_seg.datasets.conversion.preparation import prepare_data
    from vdfd_seg.datasets.conversion.voc_aug import convert_voc_aug
    from vdfd_seg.datasets.data import ContinualData, Sample
    from vdfd_seg.datasets.embedded.digit_scenes import write_digit_scenes
    from vdfd_seg.datasets.embedded.digits import write_digits
    from vdfd_seg.datasets.sampler import DrawSampler, ViewSampler
    from vdfd_seg.datasets.segmentation.crops import EvaluationCrop, RandomResizedCrop
    from vdfd_seg.datasets.segmentation.data import SegmentationData
    from vdfd_seg.datasets.segmentation.index import ClassIndex, build_index
    from vdfd_seg.datasets.segmentation.source import Source, open_source
    from vdfd_seg.datasets.segmentation.task_dataset import TaskDataset
    from vdfd_seg.datasets.segmentation.transforms import BlankLabels, MaskLabels
    from vdfd_seg.utils.seeding import derived_seed

__all__ = [
    "BlankLabels",
    "ClassIndex",
    "ClassificationData",
    "ContinualData",
    "DrawSampler",
    "EvaluationCrop",
    "ImageArrays",
    "ImageBatches",
    "LabelledImages",
    "MaskLabels",
    "RandomResizedCrop",
    "Sample",
    "SegmentationData",
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
