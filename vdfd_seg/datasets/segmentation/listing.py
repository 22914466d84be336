"""What MMSegmentation's reading of a folder passes over or misunderstands."""

from collections import Counter
from collections.abc import Iterable, Iterator
from os.path import isfile, join, normpath, relpath, splitext

from mmengine.dataset import BaseDataset
from mmseg.datasets import BaseSegDataset

from vdfd_seg.datasets.image_files import IMAGE_SUFFIXES, visible_files
from vdfd_seg.errors import InputError


def check_listing(dataset: BaseDataset, items: Iterable[dict]) -> None:
    """Refuse a folder of which MMSegmentation reads too few images, or some twice.

    Args:
        dataset: Only one that lists its folder as ``BaseSegDataset`` does is looked at.
        items: Its data infos.

    Raises:
        InputError: For images that have a mask but another suffix than ``img_suffix``, hidden
            folders, or folders that are reached twice.
    """
    lists_folder = type(dataset).load_data_list is BaseSegDataset.load_data_list
    if not lists_folder or isfile(dataset.ann_file):
        return
    images = dataset.data_prefix.get("img_path")
    files = {normpath(file) for file in visible_files(images)}
    read = {normpath(item["img_path"]) for item in items}
    left_out = list(_left_out(dataset, images, files, read))
    if left_out:
        shown = ", ".join(left_out[:5]) + (", ..." if len(left_out) > 5 else "")
        raise InputError(
            f"{len(left_out)} images in '{images}' have a mask, but do not end in "
            f"'{dataset.img_suffix}' (img_suffix), and would be left out: {shown}. Give all "
            f"images one suffix, or name the ones that are meant in a list (ann_file)."
        )
    if read - files:
        raise InputError(
            f"'{min(read - files)}' lies in a hidden folder, or in one that is reached twice "
            f"through a link; take it out, or list the images that are meant (ann_file)."
        )


def nothing_listed(dataset: BaseDataset) -> InputError:
    """What to say of a data set without images: where there are some of another suffix, which."""
    where = f"dataset {type(dataset).__name__} in '{dataset.data_root}' lists no images"
    folder, wanted = dataset.data_prefix.get("img_path"), getattr(dataset, "img_suffix", None)
    endings = Counter(splitext(file)[1] for file in visible_files(folder or ""))
    others = [e for e, _ in endings.most_common() if e.lower() in IMAGE_SUFFIXES and e != wanted]
    if not others or wanted is None:
        return InputError(f"{where}; check its folders, list and img_suffix.")
    return InputError(
        f"{where} that end in '{wanted}' (img_suffix); {endings[others[0]]} in '{folder}' end in "
        f"'{others[0]}': set img_suffix='{others[0]}' in train_dataloader.dataset and "
        f"test_dataloader.dataset."
    )


def _left_out(
    dataset: BaseSegDataset, images: str, files: set[str], read: set[str]
) -> Iterator[str]:
    """Images of another suffix that have a mask."""
    masks, suffix = dataset.data_prefix.get("seg_map_path"), dataset.img_suffix
    if dataset._indices is not None or not masks:
        return
    for file in sorted(files - read):
        low = file.lower()
        if not low.endswith((suffix.lower(), *IMAGE_SUFFIXES)):
            continue
        stem = file[: -len(suffix)] if low.endswith(suffix.lower()) else splitext(file)[0]
        mask = join(masks, relpath(stem, images) + dataset.seg_map_suffix)
        # Masks may lie next to the images: a mask is no image of its own.
        if stem + suffix not in read and isfile(mask) and normpath(mask) != file:
            yield relpath(file, images)
