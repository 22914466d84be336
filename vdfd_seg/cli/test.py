"""``vdfd_seg test``: evaluate checkpoints on every task seen."""

import argparse
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from vdfd_seg.cli.arguments import (
    add_checkpoint_arguments,
    add_config_arguments,
    add_joint_argument,
    add_launcher_arguments,
    against_joint,
    command_line,
    settings_of,
)
from vdfd_seg.errors import InputError
from vdfd_seg.utils.installation import quiet_imports
from vdfd_seg.utils.paths import find_checkpoints


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parse = argparse.ArgumentParser(description="Evaluate checkpoints on every task seen.")
    add_config_arguments(parse)
    add_checkpoint_arguments(parse, all_steps=True)
    parse.add_argument("--out", help="write the results as JSON")
    parse.add_argument(
        "--show-dir", metavar="DIR", help="draw each test image with its labels and prediction"
    )
    parse.add_argument("--tta", action="store_true", help="average over six scales and flips")
    add_joint_argument(parse)
    add_launcher_arguments(parse)
    args = parse.parse_args(argv)
    paths = find_checkpoints(args.checkpoint, args.step, args.all_steps)
    with quiet_imports():
        from mmengine.dist import is_main_process

        from vdfd_seg.engine import evaluate_checkpoints
        from vdfd_seg.evaluation import format_table, load_results, write_results
        from vdfd_seg.inference.pictures import PictureWriter
        from vdfd_seg.utils.files import writable_dir
    if args.out:
        writable_dir(Path(args.out).parent, "folder of --out")
        if Path(args.out).is_dir():
            raise InputError(f"--out '{args.out}' is a folder; give the name of a file.")
    if args.joint:
        # What is no such file is told before the evaluation.
        load_results(args.joint)
    settings = settings_of(args)
    pictures = partial(PictureWriter, args.show_dir) if args.show_dir else None
    results = evaluate_checkpoints(
        settings, paths, args.launcher, command_line(), pictures, args.tta
    )
    if is_main_process():
        (run,) = against_joint([results], args.joint)
        print(format_table([run]))
        if args.out:
            write_results(args.out, run.results)
            print(f"results: {args.out}")
