"""``vdfd_seg report``: the HTML report of one work dir or several."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vdfd_seg.cli.arguments import add_joint_argument, against_joint
from vdfd_seg.utils.installation import quiet_imports


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parse = argparse.ArgumentParser(
        description="Write the HTML report of one work dir or several. Runs that differ in "
        "nothing but the seed are shown as one method, with mean and standard deviation."
    )
    parse.add_argument("work_dirs", nargs="+", help="folders that hold a results.json")
    parse.add_argument("--out", help="default: report.html in the first work dir")
    parse.add_argument("--title")
    parse.add_argument(
        "--plots", metavar="DIR", help="write every plot into this folder too: PNG, SVG and CSV"
    )
    add_joint_argument(parse)
    args = parse.parse_args(argv)
    with quiet_imports():
        from vdfd_seg.evaluation import format_table
        from vdfd_seg.visualization import write_plots, write_report

    runs = against_joint(args.work_dirs, args.joint)
    print(format_table(runs))
    out = Path(args.out or runs[0].work_dir / "report.html")
    print(f"report: {write_report(runs, out, args.title).resolve()}")
    if args.plots:
        written = write_plots(runs, args.plots)
        print(f"plots:  {len(written)} files in {Path(args.plots).resolve()}")
