"""Arguments that several commands share."""

import argparse
import shlex
import sys
from collections.abc import Sequence

from vdfd_seg.errors import InputError
from vdfd_seg.utils.installation import quiet_imports


def add_config_arguments(parse: argparse.ArgumentParser) -> None:
    """Add the config, ``--method`` and ``--cfg-options``."""
    parse.add_argument("config", help="a benchmark or a config: a file, or a packaged one's name")
    parse.add_argument(
        "--method", nargs="+", default=[], metavar=("NAME", "K=V"), action=_Method,
        help="the method of a benchmark, and its options (method.K=V)",
    )  # fmt: skip
    parse.add_argument(
        "--cfg-options", nargs="+", default=[], metavar="K=V", help="override config keys"
    )


def add_checkpoint_arguments(parse: argparse.ArgumentParser, all_steps: bool = False) -> None:
    """Add the checkpoint and ``--step``, where ``all_steps`` is true also ``--all-steps``."""
    parse.add_argument("checkpoint", help="a step's checkpoint.pth, or a work dir")
    which = parse.add_mutually_exclusive_group()
    which.add_argument("--step", type=int, help="of a work dir: this step; default the last")
    if all_steps:
        which.add_argument("--all-steps", action="store_true", help="of a work dir: every step")


class _Method(argparse.Action):
    """Keeps a method and its options, and refuses a config given after them."""

    def __call__(self, parser, namespace, values, option_string=None):
        for value in values[1:]:
            if "=" not in value:
                parser.error(
                    f"--method: '{value}' is not of the form K=V. A config comes first: "
                    f"CONFIG --method {values[0]}"
                )
        setattr(namespace, self.dest, values)


def add_launcher_arguments(parse: argparse.ArgumentParser) -> None:
    """Add ``--launcher`` and the local rank that launchers pass."""
    parse.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none")
    parse.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def add_joint_argument(parse: argparse.ArgumentParser) -> None:
    """Add ``--joint``, the run that intransigence is measured against."""
    parse.add_argument(
        "--joint", metavar="WORK_DIR",
        help="a run of joint training on the same protocol, to measure intransigence against",
    )  # fmt: skip


def against_joint(runs: Sequence, joint: str | None) -> list:
    """Runs, loaded from results or work dirs, with intransigence where ``--joint`` was given."""
    from vdfd_seg.evaluation import load_results, load_runs, with_intransigence

    loaded = load_runs(runs)
    return with_intransigence(loaded, load_results(joint)) if joint else loaded


def command_line() -> str:
    """The command that reproduces this run."""
    program, *arguments = sys.argv
    # The console script names itself 'vdfd_seg COMMAND'; the command is in the arguments too.
    start = ["vdfd_seg"] if program.startswith("vdfd_seg ") else ["python", program]
    return shlex.join([*start, *arguments])


def method_and_options(args: argparse.Namespace) -> tuple[str | None, dict]:
    """The method that ``--method`` names, and all options together as dotted keys and values."""
    from vdfd_seg.engine.input.overrides import parse_options

    method, *options = args.method or [None]
    return method, parse_options([*(f"method.{each}" for each in options), *args.cfg_options])


def settings_of(args: argparse.Namespace, seed: int | None = None, amp: bool = False):
    """The checked settings from the arguments of :func:`add_config_arguments`."""
    with quiet_imports():
        from vdfd_seg.engine import load_run

    return load_run(args.config, *method_and_options(args), seed, amp)


def step_of(settings, step: int | None) -> int:
    """The given step, checked; the last one for None."""
    last = len(settings.protocol.tasks) - 1
    step = last if step is None else step
    if not 0 <= step <= last:
        raise InputError(f"--step {step}: the protocol has steps 0 to {last}.")
    return step
