"""A dataset of MMSegmentation, opened, checked and indexed."""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS

from vdfd_seg.datasets.segmentation.index import ClassIndex, build_index, relative_name
from vdfd_seg.datasets.segmentation.listing import check_listing, nothing_listed
from vdfd_seg.errors import InputError, reading, unknown_name
from vdfd_seg.protocols import IGNORE_INDEX, Protocol
from vdfd_seg.utils.garbage import present_objects_kept


@dataclass(frozen=True, eq=False)
class Source(ClassIndex):
    """A dataset of MMSegmentation, with the index of the classes in its masks."""

    dataset: BaseDataset

    @property
    def root(self) -> str:
        """The data set's folder, for messages."""
        return self.dataset.data_root


def open_source(
    cfg: dict, protocol: Protocol, progress: bool = True, strict: bool = True
) -> Source:
    """Build a dataset from its config and index it.

    Args:
        cfg: An mmsegmentation dataset config.
        protocol: Names the classes that masks may hold.
        progress: Show a progress bar while indexing.
        strict: Refuse masks with ids that the protocol's data set does not have; otherwise they
            are counted.

    Raises:
        InputError: For a type, data root, folder or image list that there is not, images that
            would not be read or lie elsewhere, other numbers of the classes than the protocol's,
            masks of 0 and 255 alone, and all that :func:`build_index` refuses.
    """
    cfg = {k: v for k, v in cfg.items() if k != "pipeline"}
    kind = cfg.get("type")
    if kind is None or (isinstance(kind, str) and DATASETS.get(kind) is None):
        raise unknown_name("dataset type", kind, DATASETS.module_dict)
    root = cfg.get("data_root")
    if root is not None and not os.path.isdir(root):
        raise InputError(
            f"data_root '{root}' does not exist; set it with --cfg-options data_root=FOLDER or in "
            f"the config."
        )
    for key, value in [("ann_file", cfg.get("ann_file")), *cfg.get("data_prefix", {}).items()]:
        path = os.path.join(root or "", value or "")
        if value and not os.path.exists(path):
            raise InputError(f"{key} '{path}' does not exist; check data_root and {key}.")
    with reading(f"dataset {kind} in '{root}'"), present_objects_kept():
        dataset = DATASETS.build({**cfg, "pipeline": [], "lazy_init": True})
        try:
            dataset.full_init()
        except ValueError as error:
            # MMEngine fails to pack an empty list.
            if dataset.data_list or isinstance(error, UnicodeError):
                raise
            raise nothing_listed(dataset) from error
    items = [dataset.get_data_info(i) for i in range(len(dataset))]
    if not items:
        raise nothing_listed(dataset)
    _check_inside(items, cfg)
    check_listing(dataset, items)
    names = protocol.classes
    folder = os.path.join(root or "", cfg.get("data_prefix", {}).get("img_path", "")) or "."
    for item in items:
        item["name"] = relative_name(item["img_path"], folder)
    _check_numbering(dataset, items, protocol)
    zero = bool(items[0].get("reduce_zero_label"))
    index = build_index(
        items,
        num_classes=len(names) if strict else IGNORE_INDEX,
        progress=progress,
        reduce_zero_label=zero,
    )
    pixels = index.pixels()
    if not zero and len(names) > 1 and pixels[IGNORE_INDEX] and not pixels[1:IGNORE_INDEX].any():
        raise InputError(
            f"the masks of dataset {kind} in '{root}' hold 0 and {IGNORE_INDEX} alone, and "
            f"{IGNORE_INDEX} is for pixels without a label; write a class's place in "
            f"protocol.classes instead (1 for '{names[1]}')."
        )
    return Source(index.names, index.counts, index.digest, dataset)


def _check_numbering(dataset: BaseDataset, items: Sequence[dict], protocol: Protocol) -> None:
    """Refuse ids of classes that are other than their places in the protocol's ``classes``."""
    kind = type(dataset).__name__
    if getattr(dataset, "ignore_index", IGNORE_INDEX) != IGNORE_INDEX:
        raise InputError(
            f"dataset {kind}: ignore_index={dataset.ignore_index}; pixels without a label must be "
            f"{IGNORE_INDEX} in the masks."
        )
    if any(old != new for item in items for old, new in (item.get("label_map") or {}).items()):
        raise InputError(
            f"dataset {kind}: metainfo.classes renumbers the masks or leaves classes out; take it "
            f"away: protocol.classes names the ids as they are stored, protocol.tasks has the "
            f"order."
        )
    zero = bool(items[0].get("reduce_zero_label"))
    names = list(dataset.metainfo.get("classes") or ())
    for place, name in enumerate(protocol.classes):
        if name in names and names.index(name) != place:
            raise InputError(
                f"dataset {kind}: its metainfo.classes has '{name}' at {names.index(name)}, "
                f"protocol.classes at {place}"
                f"{' (with reduce_zero_label, id 1 is the first)' if zero else ''}; both must name "
                f"the ids of the masks."
            )
    if zero and protocol.background is not None:
        raise InputError(
            f"dataset {kind}: under reduce_zero_label=True, 0 is no label and id 1 the first of "
            f"protocol.classes, which is the background '{protocol.background}'; set "
            f"reduce_zero_label=False, or take the background out of the classes."
        )


def _check_inside(items: Iterable[dict], cfg: dict) -> None:
    """Refuse paths out of the data set (``../``, or from the root); links are the user's own."""
    root = cfg.get("data_root") or ""
    prefixes = [value for value in cfg.get("data_prefix", {}).values() if value]
    folders = [os.path.join(root, value) for value in prefixes]
    if root or not folders:
        folders.append(root)
    allowed = tuple(os.path.join(os.path.abspath(folder), "") for folder in folders)
    for item in items:
        for path in (item["img_path"], item.get("seg_map_path")):
            if path is not None and not os.path.abspath(path).startswith(allowed):
                raise InputError(
                    f"the image list '{cfg.get('ann_file')}' names '{path}', which is outside the "
                    f"data root '{root}'; images and masks must be below it."
                )
