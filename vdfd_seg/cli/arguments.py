"""Arguments that the commands which run a config share."""

import argparse


def add_options_argument(parse: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``."""
    from mmengine.config import DictAction

    class Options(DictAction):
        """MMEngine's, with a usage message for text that is no ``KEY=VALUE``."""

        def __call__(self, parser, namespace, values, option_string=None):
            for text in values or ():
                if not text.partition("=")[0] or "=" not in text:
                    parser.error(f"argument {option_string}: '{text}' is not of the form KEY=VALUE")
            super().__call__(parser, namespace, values, option_string)

    parse.add_argument(
        "--cfg-options", nargs="+", action=Options, default={}, metavar="K=V",
        help="override config keys",
    )  # fmt: skip


def add_run_arguments(parse: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, ``--launcher`` and the local rank that launchers pass."""
    add_options_argument(parse)
    parse.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none")
    parse.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
