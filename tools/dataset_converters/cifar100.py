"""Convert CIFAR-100 to arrays: ``python cifar100.py SOURCE TARGET``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> int:
    """Convert the data set."""
    parser = argparse.ArgumentParser(
        description="Convert CIFAR-100, or images in folders by class, to arrays."
    )
    parser.add_argument(
        "source",
        help="cifar-100-python.tar.gz, its unpacked folder, or a folder with train/CLASS/IMAGE "
        "and test/CLASS/IMAGE (with --tile: train/CLASS.ext and test/CLASS.ext)",
    )
    parser.add_argument("target", help="folder for the arrays; its train and test are replaced")
    parser.add_argument(
        "--tile",
        type=int,
        metavar="SIDE",
        help="every class is one image, a sheet of square tiles of this side in pixels",
    )
    args = parser.parse_args(argv)
    # Takes seconds, which a usage text should not.
    from vdfd_seg.datasets.conversion.cifar import convert_cifar100

    splits = convert_cifar100(args.source, args.target, args.tile)
    for split, arrays in splits.items():
        print(f"{split}: {len(arrays)} images of {len(arrays.classes)} classes")
    print(f"The data set is in {args.target}")
    return 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
