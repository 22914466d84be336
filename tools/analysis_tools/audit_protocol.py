#!/usr/bin/env python3
"""Count, for every step of a protocol, the test images that were trained on.

By identity (the same file) and by content (files with the same bytes); also classes without
pixels and masks with unknown ids. Exit status: 0 if nothing leaks, or only what the protocol
declares; 1 if something else leaks; 2 for bad input.

Usage: python tools/analysis_tools/audit_protocol.py CONFIG [--cfg-options K=V ...]
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from mmengine.config import Config

from vdfd_seg.cli import EXIT_BAD_INPUT, run_guarded
from vdfd_seg.cli.arguments import add_config_arguments, method_and_options
from vdfd_seg.errors import InputError

SHOWN = 5


def open_config(args):
    """The protocol and its images, as the arguments ask for."""
    from audit import named_data

    from vdfd_seg.engine import load_run, open_data, set_up
    from vdfd_seg.engine.input.config_file import read_config
    from vdfd_seg.protocols import build_protocol
    from vdfd_seg.utils.paths import resolve_config

    path = resolve_config(args.config)
    method, options = method_and_options(args)
    if args.names:
        config = read_config(path, options)
        if "protocol" not in config:
            raise InputError(f"config '{path}': the key 'protocol' is missing.")
        return named_data(build_protocol(config.protocol), args.names)
    # Which method trains does not matter: a benchmark is enough.
    own = method or "method" in Config.fromfile(path, import_custom_modules=False)
    settings = load_run(path, method if own else "finetune", options)
    set_up()
    return open_data(settings, strict=False)


def print_audit(data, steps, copies, unknown) -> None:
    """A table of the steps, then what else was found."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    # Into a file as on a wide screen: a folded table is hard to read in either.
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False)
    protocol = data.protocol
    rule = f", domain_split={protocol.domain_split}" if protocol.domain_split else ""
    console.print(f"{protocol.dataset} {protocol.name}, {protocol.scenario}-incremental{rule}")
    what = data.counted.split()[-1]
    columns = ["step", "task", "test images", "trained on", "share"]
    read = steps[0].copied is not None
    if read:
        columns += ["copies", f"no training {what}", f"no test {what}"]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in [*columns, "leak"]:
        table.add_column(column, overflow="fold")
    for row in steps:
        share = f"{100 * row.reused / row.tested:.1f} %"
        cells = [row.step, row.task, row.tested, row.reused, share]
        if read:
            cells += [row.copied, ", ".join(row.untrained), ", ".join(row.untested)]
        verdict = "LEAKS" if row.leaks else "declared" if row.reused else "none"
        table.add_row(*map(str, cells), verdict)
    console.print(table)
    pairs = [f"{tested} = {trained}" for tested, trained in copies]
    for title, lines in (
        ("test images with the bytes of a training image", pairs),
        ("masks with ids that the data set does not have", unknown),
    ):
        if lines:
            print(f"{len(lines)} {title}:")
            print("\n".join(f"  {line}" for line in lines[:SHOWN]))
            if len(lines) > SHOWN:
                print(f"  ... and {len(lines) - SHOWN} more")


def main(argv: list[str] | None = None) -> int:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parse)
    parse.add_argument(
        "--names", metavar="FILE",
        help="compare names alone, one a line; of the config only its protocol is needed "
        "(domain-incremental protocols with a domain_split)",
    )  # fmt: skip
    args = parse.parse_args(argv)

    from vdfd_seg.utils.installation import quiet_imports

    with quiet_imports():
        from audit import audit

        data = open_config(args)
    steps, copies, unknown = audit(data, read=not args.names)
    print_audit(data, steps, copies, unknown)
    if any(step.leaks for step in steps):
        return 1
    return EXIT_BAD_INPUT if unknown else 0


if __name__ == "__main__":
    sys.exit(run_guarded(main))
