"""Convert CIFAR-100 to arrays: ``python cifar100.py SOURCE TARGET``."""

import argparse
import sys
from collections.abc import Sequence

from vdfd_seg.cli import run_guarded


def main(argv: Sequence[str] | None = None) -> None:
    """Convert the data set."""
    parse = argparse.ArgumentParser(
        description="Convert CIFAR-100, or images in a folder for each class, to arrays."
    )
    parse.add_argument(
        "source",
        help="cifar-100-python.tar.gz, its unpacked folder, or a folder with train/CLASS/IMAGE "
        "and test/CLASS/IMAGE (with --tile: train/CLASS.ext and test/CLASS.ext)",
    )
    parse.add_argument("target", help="folder for the arrays; its train and test are replaced")
    parse.add_argument(
        "--tile",
        type=int,
        metavar="SIDE",
        help="every class is one image, a sheet of square tiles of this side in pixels",
    )
    args = parse.parse_args(argv)
    from vdfd_seg.datasets.conversion.cifar import convert_cifar100

    splits = convert_cifar100(args.source, args.target, args.tile)
    for split, arrays in splits.items():
        print(f"{split}: {len(arrays)} images of {len(arrays.classes)} classes")
    print(f"The data set is in {args.target}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
