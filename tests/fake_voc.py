"""Tiny archives in the layout of Pascal VOC 2012 and SBD."""

import io
import tarfile

import numpy as np
from PIL import Image
from scipy.io import savemat

VOC_LISTS = {"train": ["2007_000001", "2007_000003"], "val": ["2007_000002"]}
SBD_LISTS = {"train": ["2008_000010", "2007_000001"], "val": ["2007_000002", "2008_000011"]}
"""Each list of SBD has an image that VOC has a mask of; one of them is of VOC's val."""
UNLISTED = "2009_000099"
VOC_FOLDER, SBD_FOLDER = "VOCdevkit/VOC2012", "benchmark_RELEASE/dataset"
SHAPE = (6, 8)


def voc_mask(name) -> np.ndarray:
    mask = np.full(SHAPE, int(name[-1]), np.uint8)
    mask[0], mask[-1] = 0, 255
    return mask


def sbd_mask(name) -> np.ndarray:
    mask = np.full(SHAPE, 20, np.uint8)
    mask[:, : int(name[-1]) + 1] = 0
    return mask


def jpeg(name) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", SHAPE[::-1], (int(name[-2:]), 9, 9)).save(file, "JPEG")
    return file.getvalue()


def png(mask) -> bytes:
    image, file = Image.fromarray(mask), io.BytesIO()
    image.putpalette(list(range(256)) * 3)
    image.save(file, "PNG")
    return file.getvalue()


def mat(mask) -> bytes:
    boundaries = np.zeros(SHAPE, np.uint8)
    content = {"Segmentation": mask, "Boundaries": boundaries, "CategoriesPresent": [[20]]}
    file = io.BytesIO()
    savemat(file, {"GTcls": content}, do_compression=True)
    return file.getvalue()


def listing(names) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


def voc_files() -> dict[str, bytes]:
    names = {*VOC_LISTS["train"], *VOC_LISTS["val"]}
    everything = {*names, *SBD_LISTS["train"], *SBD_LISTS["val"], UNLISTED}
    files = {f"JPEGImages/{name}.jpg": jpeg(name) for name in sorted(everything)}
    files |= {f"SegmentationClass/{name}.png": png(voc_mask(name)) for name in sorted(names)}
    files |= {f"ImageSets/Segmentation/{s}.txt": listing(n) for s, n in VOC_LISTS.items()}
    files["ImageSets/Main/train.txt"] = b"2007_000099\n"
    files[f"SegmentationObject/{VOC_LISTS['train'][0]}.png"] = b"instances"
    return {f"{VOC_FOLDER}/{name}": content for name, content in files.items()}


def sbd_files() -> dict[str, bytes]:
    names = sorted({*SBD_LISTS["train"], *SBD_LISTS["val"]})
    files = {f"cls/{name}.mat": mat(sbd_mask(name)) for name in names}
    files |= {f"inst/{name}.mat": b"instances" for name in names}
    files |= {f"{split}.txt": listing(names) for split, names in SBD_LISTS.items()}
    return {f"{SBD_FOLDER}/{name}": content for name, content in files.items()}


def write_tar(path, files, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def write_archives(folder, voc=None, sbd=None):
    """Both archives; ``voc`` and ``sbd`` replace what they hold."""
    folder.mkdir(parents=True, exist_ok=True)
    write_tar(folder / "VOCtrainval_11-May-2012.tar", voc or voc_files())
    write_tar(folder / "benchmark.tgz", sbd or sbd_files(), "w:gz")
    return folder
