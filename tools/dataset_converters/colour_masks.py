"""Write masks of class ids: ``python colour_masks.py SOURCE TARGET TABLE``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> None:
    """Convert the masks."""
    parse = argparse.ArgumentParser(
        description="Write masks of class ids (palette PNG) from masks in colours."
    )
    parse.add_argument("source", help="folder of masks in colours")
    parse.add_argument("target", help="folder to write to")
    parse.add_argument("table", help="a line 'R G B NAME' for each class, in the order of the ids")
    parse.add_argument(
        "--unlisted-void", action="store_true", help="other colours are pixels without a label"
    )
    args = parse.parse_args(argv)
    from vdfd_seg.datasets.conversion.colour_masks import convert_colour_masks, read_colours

    colours = read_colours(args.table)
    count = convert_colour_masks(args.source, args.target, colours, args.unlisted_void)
    print(f"{args.target}: {count} masks of {len(colours)} ids")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
