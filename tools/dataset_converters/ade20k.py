"""Write ADE20K's scene parsing challenge: ``python ade20k.py ARCHIVE TARGET``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Convert the data set."""
    parser = argparse.ArgumentParser(
        description="Write the images and masks of ADEChallengeData2016.zip, and count them."
    )
    parser.add_argument("archive", help="ADEChallengeData2016.zip")
    parser.add_argument("target", help="folder of the data set; absent, empty or ADE20K")
    parser.add_argument(
        "--any-counts",
        action="store_true",
        help="accept an archive with other numbers of images than the official one",
    )
    args = parser.parse_args(argv)
    # Takes seconds, which a usage text should not.
    from vdfd_seg.datasets.conversion.ade20k import COUNTS, convert_ade20k

    found = convert_ade20k(args.archive, args.target, None if args.any_counts else COUNTS)
    print(f"training: {found['training']} images, validation: {found['validation']} images")
    print(f"The data set is in {args.target}")
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
