#!/usr/bin/env python3
"""The whole config of a run, or of one of its steps, as it is trained.

Usage: python tools/misc/print_config.py CONFIG [--method NAME] [--step K] [--cfg-options K=V ...]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.cli.arguments import add_config_arguments, settings_of, step_of


def main(argv=None) -> None:
    """Print the config."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parse)
    parse.add_argument("--step", type=int, help="with the overrides of this step merged in")
    args = parse.parse_args(argv)
    settings = settings_of(args)
    if args.step is None:
        print(settings.text, end="")
    else:
        print(settings.for_step(step_of(settings, args.step)).pretty_text, end="")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
