"""Write Pascal VOC 2012 with SBD's masks: ``python voc_aug.py ARCHIVES TARGET``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> None:
    """Convert the data set."""
    parse = argparse.ArgumentParser(
        description="Write the augmented Pascal VOC 2012 (train_aug and val) from the official "
        "archives of VOC and SBD."
    )
    parse.add_argument("archives", help="folder with VOCtrainval_11-May-2012.tar and benchmark.tgz")
    parse.add_argument("target", help="folder of the data set; absent, empty or written by this")
    parse.add_argument(
        "--download",
        action="store_true",
        help="first fetch the archives that the folder lacks (3.4 GB); an interrupted download "
        "continues where it stopped",
    )
    parse.add_argument(
        "--any-counts",
        action="store_true",
        help="accept archives with other numbers of images than the official ones",
    )
    args = parse.parse_args(argv)
    from vdfd_seg.datasets.conversion.voc_aug import COUNTS, convert_voc_aug, download_voc_aug

    if args.download:
        download_voc_aug(args.archives)
    counts = None if args.any_counts else COUNTS
    found = convert_voc_aug(args.archives, args.target, counts)
    print(f"train: {found['train']} images, val: {found['val']} images")
    print(f"masks: {found['voc_masks']} of VOC, {found['sbd_masks']} of SBD")
    print(f"The data set is in {args.target}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
