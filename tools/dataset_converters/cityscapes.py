"""Write Cityscapes' labels by training id: ``python cityscapes.py ROOT``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded

OFFICIAL = {"train": 2975, "val": 500}
"""Images in the official sets."""


def main(argv: Sequence[str] | None = None) -> None:
    """Convert the labels."""
    parse = argparse.ArgumentParser(
        description="Write *_gtFine_labelTrainIds.png next to Cityscapes' *_gtFine_labelIds.png, "
        "for train and val, where they are missing."
    )
    parse.add_argument("root", help="folder with leftImg8bit and gtFine")
    args = parse.parse_args(argv)
    from vdfd_seg.datasets.conversion.cityscapes import convert_cityscapes

    found = convert_cityscapes(args.root)
    for split, cities in found.items():
        total, official = sum(cities.values()), OFFICIAL[split]
        note = f" (the official set has {official}: not comparable with published numbers)"
        end = "" if total == official else note
        print(f"{split}: {total} images of {len(cities)} cities{end}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
