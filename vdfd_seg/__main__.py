"""``python -m vdfd_seg``, the same as the console script."""

import sys

from vdfd_seg.cli import main

if __name__ == "__main__":
    sys.exit(main())
