#!/usr/bin/env python3
"""Mean and standard deviation over seeds, and over orders, of the runs in several work dirs.

Usage: python tools/analysis_tools/compare.py WORK_DIR [WORK_DIR ...]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.cli.arguments import add_joint_argument, against_joint
from vdfd_seg.utils.installation import quiet_imports


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("work_dirs", nargs="+", help="folders that hold a results.json")
    add_joint_argument(parser)
    arguments = parser.parse_args(argv)

    with quiet_imports():
        from vdfd_seg.evaluation import format_comparison

    print(format_comparison(against_joint(arguments.work_dirs, arguments.joint)))


if __name__ == "__main__":
    sys.exit(run_guarded(main))
