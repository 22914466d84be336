"""Write Cityscapes' labels by training id: ``python cityscapes.py ROOT``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.errors import InputError


def main(argv: Sequence[str] | None = None) -> int:
    """Convert the labels; returns the exit status (0, or 2 for bad input)."""
    parser = argparse.ArgumentParser(
        description="Write *_gtFine_labelTrainIds.png next to Cityscapes' *_gtFine_labelIds.png, "
        "for train and val, where they are missing."
    )
    parser.add_argument("root", help="folder with leftImg8bit and gtFine")
    args = parser.parse_args(argv)
    # Takes seconds, which a usage text should not.
    from vdfd_seg.datasets.conversion.cityscapes import convert_cityscapes, describe

    try:
        found = convert_cityscapes(args.root)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print(*describe(found), sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
