"""Arguments that the commands which run a config share."""

import argparse


def add_run_arguments(parse: argparse.ArgumentParser) -> None:
    """Add ``--cfg-options``, ``--launcher`` and the local rank that launchers pass."""
    from mmengine.config import DictAction

    parse.add_argument(
        "--cfg-options", nargs="+", action=DictAction, default={}, metavar="K=V",
        help="override config keys",
    )  # fmt: skip
    parse.add_argument("--launcher", choices=("none", "pytorch", "slurm"), default="none")
    parse.add_argument("--local_rank", "--local-rank", type=int, default=0, help=argparse.SUPPRESS)
