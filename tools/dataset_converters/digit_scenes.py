"""Write the embedded data set DigitScenes: ``python digit_scenes.py ROOT``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> None:
    """Write the data set."""
    parse = argparse.ArgumentParser(
        description="Write DigitScenes (scanned digits over photographs) in VOC's folder layout."
    )
    parse.add_argument("root", help="folder of the data set; absent, empty or DigitScenes")
    parse.add_argument("--num-train", type=int, default=600, help="default: %(default)s")
    parse.add_argument("--num-val", type=int, default=200, help="default: %(default)s")
    parse.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(96, 96),
        metavar=("HEIGHT", "WIDTH"),
        help="default: 96 96",
    )
    parse.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parse.parse_args(argv)
    from vdfd_seg.datasets.embedded.digit_scenes import write_digit_scenes

    root = write_digit_scenes(args.root, args.num_train, args.num_val, args.size, args.seed)
    print(f"DigitScenes is in {root}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
