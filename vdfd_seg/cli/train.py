"""``vdfd_seg train``: train a continual sequence, step after step."""

import argparse
import os
from collections.abc import Sequence

from vdfd_seg.cli.arguments import (
    add_config_arguments,
    add_launcher_arguments,
    command_line,
    settings_of,
)
from vdfd_seg.errors import InputError, Stopped
from vdfd_seg.utils.installation import quiet_imports


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parse = argparse.ArgumentParser(description="Train a continual sequence, step after step.")
    add_config_arguments(parse)
    parse.add_argument("--work-dir", help="where to write; default work_dirs/CONFIG_NAME")
    held = parse.add_mutually_exclusive_group()
    held.add_argument("--resume", action="store_true", help="continue what the work dir holds")
    held.add_argument("--overwrite", action="store_true", help="delete what the work dir holds")
    parse.add_argument(
        "--init-from", metavar="CHECKPOINT", help="take step 0 from this finished step 0"
    )
    parse.add_argument("--steps", metavar="A[:B]", help="only these steps, B excluded")
    parse.add_argument("--seed", type=int, help="default: the config's")
    parse.add_argument("--amp", action="store_true", help="automatic mixed precision (bfloat16)")
    parse.add_argument(
        "--auto-scale-lr", action="store_true",
        help="scale the learning rate with the batch, from the config's auto_scale_lr",
    )  # fmt: skip
    parse.add_argument("--dry-run", action="store_true", help="try one batch, count, and stop")
    add_launcher_arguments(parse)
    return parse


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    args = parser().parse_args(argv)
    os.environ.setdefault("LOCAL_RANK", str(args.local_rank))

    with quiet_imports():
        from mmengine.dist import is_main_process

        from vdfd_seg.engine import train_sequence
        from vdfd_seg.engine.input.dry_run import dry_run
        from vdfd_seg.engine.input.overrides import parse_steps
        from vdfd_seg.evaluation import format_table
        from vdfd_seg.utils.signals import listening, requeue

    if args.auto_scale_lr:
        args.cfg_options = [*args.cfg_options, "auto_scale_lr.enable=True"]
    settings = settings_of(args, args.seed, args.amp)
    steps = None
    if args.steps is not None:
        steps = parse_steps(args.steps, len(settings.protocol.tasks))
        if not steps:
            last = len(settings.protocol.tasks) - 1
            raise InputError(f"--steps '{args.steps}' names no step; there are steps 0 to {last}.")
    if args.dry_run:
        print(dry_run(settings))
        return
    # Before hours of training, where it cannot be imported.
    from vdfd_seg.visualization import write_report

    work_dir = settings.work_dir(args.work_dir)
    try:
        with listening():
            results = train_sequence(
                settings,
                work_dir,
                resume=args.resume,
                overwrite=args.overwrite,
                init_from=args.init_from,
                steps=steps,
                launcher=args.launcher,
                command=command_line(),
            )
    except Stopped as stopped:
        requeue(stopped.number)
        stopped.advice = _how_to_continue(args, stopped.saved is not None)
        raise
    if is_main_process() and results["steps"]:
        print(format_table([results]))
        print(f"results: {work_dir / 'results.json'}")
        print(f"report:  {write_report([work_dir], work_dir / 'report.html')}")


def _how_to_continue(args: argparse.Namespace, begun: bool) -> str:
    if args.resume or (args.overwrite and not begun):
        return "The same command continues"
    instead = " in place of --overwrite" if args.overwrite else ""
    return f"Type the same command with --resume{instead} to continue"
