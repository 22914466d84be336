"""``vdfd_seg test``: evaluate checkpoints on every task seen."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vdfd_seg.cli.arguments import add_run_arguments
from vdfd_seg.errors import InputError
from vdfd_seg.utils.environment import quiet_imports
from vdfd_seg.utils.paths import find_checkpoints


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parse = argparse.ArgumentParser(description="Evaluate checkpoints on every task seen.")
    parse.add_argument("config", help="config file, or its name among the packaged configs")
    parse.add_argument("checkpoint", help="a step's checkpoint.pth, or a work dir")
    which = parse.add_mutually_exclusive_group()
    which.add_argument("--step", type=int, help="of a work dir: this step; default the last")
    which.add_argument("--all-steps", action="store_true", help="of a work dir: every step")
    parse.add_argument("--out", help="write the results as JSON")
    add_run_arguments(parse)
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Raises:
        InputError: For bad input, among it a checkpoint of another protocol.
    """
    args = parser().parse_args(argv)
    paths = find_checkpoints(args.checkpoint, args.step, args.all_steps)
    with quiet_imports():
        from mmengine.dist import is_main_process

        from vdfd_seg.engine import evaluate_checkpoints, load_settings
        from vdfd_seg.evaluation import format_table, write_results
        from vdfd_seg.utils.files import writable_dir
        from vdfd_seg.utils.paths import resolve_config
    if args.out:
        writable_dir(Path(args.out).parent, "folder of --out")
        if Path(args.out).is_dir():
            raise InputError(f"--out '{args.out}' is a folder; give the name of a file.")
    settings = load_settings(resolve_config(args.config), args.cfg_options)
    results = evaluate_checkpoints(settings, paths, launcher=args.launcher)
    if is_main_process():
        print(format_table([results]))
        if args.out:
            write_results(args.out, results)
            print(f"results: {args.out}")
    return 0
