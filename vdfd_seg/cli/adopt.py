"""``vdfd_seg adopt``: a network that mmsegmentation trained becomes the first step."""

import argparse
import shlex
from collections.abc import Sequence

from vdfd_seg.cli.arguments import add_config_arguments, settings_of
from vdfd_seg.utils.installation import quiet_imports


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parse = argparse.ArgumentParser(
        description="Take a network that mmsegmentation trained as step 0 of a sequence. Its file "
        "is read without executing what is in it."
    )
    add_config_arguments(parse)
    parse.add_argument("checkpoint", help="the network's .pth file")
    parse.add_argument(
        "--images", required=True, metavar="DIR",
        help="images of the first task, from which the method's memory is estimated; no masks",
    )  # fmt: skip
    parse.add_argument("--work-dir", help="where to write; default work_dirs/CONFIG_NAME")
    parse.add_argument("--seed", type=int, help="default: the config's")
    args = parse.parse_args(argv)
    with quiet_imports():
        from vdfd_seg.engine.run.adopt import adopt

    settings = settings_of(args, args.seed)
    work_dir = settings.work_dir(args.work_dir)
    written = adopt(settings, args.checkpoint, args.images, work_dir)
    print(f"step 0: {written}")
    method = f" --method {shlex.join(args.method)}" if args.method else ""
    print(f"continue:  vdfd_seg train {args.config}{method} --work-dir {work_dir} --resume")
