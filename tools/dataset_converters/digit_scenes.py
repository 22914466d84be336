"""Write the embedded data set DigitScenes: ``python digit_scenes.py ROOT``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Write the data set."""
    parser = argparse.ArgumentParser(
        description="Write DigitScenes (scanned digits over photographs) in VOC's folder layout."
    )
    parser.add_argument("root", help="folder of the data set; absent, empty or DigitScenes")
    parser.add_argument("--num-train", type=int, default=600, help="default: %(default)s")
    parser.add_argument("--num-val", type=int, default=200, help="default: %(default)s")
    parser.add_argument(
        "--size",
        type=int,
        nargs=2,
        default=(96, 96),
        metavar=("HEIGHT", "WIDTH"),
        help="default: 96 96",
    )
    parser.add_argument("--seed", type=int, default=0, help="default: %(default)s")
    args = parser.parse_args(argv)
    # Takes seconds, which a usage text should not.
    from vdfd_seg.datasets.embedded.digit_scenes import write_digit_scenes

    root = write_digit_scenes(args.root, args.num_train, args.num_val, args.size, args.seed)
    print(f"DigitScenes is in {root}")
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
