"""``vdfd_seg report``: the HTML report of one work dir or several."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vdfd_seg.environment import quiet_imports


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parse = argparse.ArgumentParser(description="Write the HTML report of one work dir or several.")
    parse.add_argument("work_dirs", nargs="+", help="folders that hold a results.json")
    parse.add_argument("--out", help="default: report.html in the first work dir")
    parse.add_argument("--title")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Raises:
        InputError: For a folder without results.
    """
    args = parser().parse_args(argv)
    with quiet_imports():
        from vdfd_seg.evaluation import format_table, load_results
        from vdfd_seg.visualization import write_report

    print(format_table([load_results(folder) for folder in args.work_dirs]))
    out = Path(args.out or Path(args.work_dirs[0]) / "report.html")
    print(f"report: {write_report([Path(d) for d in args.work_dirs], out, args.title).resolve()}")
    return 0
