"""Write ADE20K's scene parsing challenge: ``python ade20k.py ARCHIVE TARGET``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> None:
    """Convert the data set."""
    parse = argparse.ArgumentParser(
        description="Write the images and masks of ADEChallengeData2016.zip, and count them."
    )
    parse.add_argument("archive", help="ADEChallengeData2016.zip")
    parse.add_argument("target", help="folder of the data set; absent, empty or ADE20K")
    parse.add_argument(
        "--any-counts",
        action="store_true",
        help="accept an archive with other numbers of images than the official one",
    )
    args = parse.parse_args(argv)
    from vdfd_seg.datasets.conversion.ade20k import COUNTS, convert_ade20k

    found = convert_ade20k(args.archive, args.target, None if args.any_counts else COUNTS)
    print(f"training: {found['training']} images, validation: {found['validation']} images")
    print(f"The data set is in {args.target}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
