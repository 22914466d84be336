"""Arguments that the commands which run a config share."""

import argparse
import shlex
import sys


def add_config_arguments(parse: argparse.ArgumentParser) -> None:
    """Add the config, ``--method`` and ``--cfg-options``."""
    from mmengine.config import DictAction

    class Options(DictAction):
        """MMEngine's, with a usage message for text that is no ``KEY=VALUE``."""

        def __call__(self, parser, namespace, values, option_string=None):
            for text in values or ():
                if not text.partition("=")[0] or "=" not in text:
                    parser.error(f"argument {option_string}: '{text}' is not of the form KEY=VALUE")
            super().__call__(parser, namespace, values, option_string)

    class Method(Options):
        """A name, then options of the method."""

        def __call__(self, parser, namespace, values, option_string=None):
            name, *options = values
            super().__call__(parser, namespace, options, option_string)
            options = {f"method.{key}": value for key, value in namespace.method.items()}
            namespace.method, namespace.method_options = name, options

    parse.add_argument("config", help="a benchmark or a config: a file, or a packaged one's name")
    parse.add_argument(
        "--method", nargs="+", action=Method, metavar=("NAME", "K=V"),
        help="the method of a benchmark, and its options (method.K=V)",
    )  # fmt: skip
    parse.set_defaults(method_options={})
    parse.add_argument(
        "--cfg-options", nargs="+", action=Options, default={}, metavar="K=V",
        help="override config keys",
    )  # fmt: skip


def add_launcher_arguments(parse: argparse.ArgumentParser) -> None:
    """Add ``--launcher`` and the local rank that launchers pass."""
    parse.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none")
    parse.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)


def command_line() -> str:
    """The command that reproduces this run."""
    program, *arguments = sys.argv
    # The console script names itself 'vdfd_seg COMMAND'; the command is in the arguments too.
    start = ["vdfd_seg"] if program.startswith("vdfd_seg ") else ["python", program]
    return shlex.join([*start, *arguments])


def settings_of(args: argparse.Namespace, seed: int | None = None, amp: bool = False):
    """The checked settings that :func:`add_config_arguments`'s arguments mean.

    Raises:
        InputError: See :func:`vdfd_seg.engine.load_run`.
    """
    from vdfd_seg.engine import load_run

    return load_run(
        args.config, args.method, {**args.method_options, **args.cfg_options}, seed, amp
    )
