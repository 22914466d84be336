"""``vdfd_seg demo``: a whole continual sequence on the embedded data set."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vdfd_seg.environment import quiet_imports

RUNS = (
    ("finetune", "finetune/finetune_deeplabv3_r18-d4_digitscenes-4-3"),
    ("finetune_unce", "finetune/finetune-unce_deeplabv3_r18-d4_digitscenes-4-3"),
    ("vdfd_unce", "vdfd/vdfd_deeplabv3_r18-d4_digitscenes-4-3"),
)
"""Folder and config of each run; all begin from the first one's step 0."""


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parse = argparse.ArgumentParser(
        description="Train DeepLabV3 on three tasks of DigitScenes, one after another: with plain "
        "fine-tuning, with fine-tuning under the unbiased cross-entropy, and with VDFD under it. "
        "What an earlier start finished is kept."
    )
    parse.add_argument("--out", default="work_dirs/demo", help="default: %(default)s")
    parse.add_argument("--seeds", type=int, nargs="+", default=[0], help="default: 0")
    parse.add_argument("--overwrite", action="store_true", help="begin again")
    parse.add_argument("--iters", type=int, help=argparse.SUPPRESS)
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command."""
    args = parser().parse_args(argv)
    with quiet_imports():
        from vdfd_seg.evaluation import format_seeds, format_table
        from vdfd_seg.visualization import write_report
    out = Path(args.out)
    results, folders, names = [], [], []
    for seed in args.seeds:
        for name, config in RUNS:
            folder = out / f"{name}_seed{seed}"
            start = out / f"{RUNS[0][0]}_seed{seed}" / "step_00" / "checkpoint.pth"
            results.append(_train(config, folder, seed, start if start.exists() else None, args))
            folders.append(folder)
            names.append(results[-1]["method"] + (f", seed {seed}" if len(args.seeds) > 1 else ""))
    print()
    print(format_table(results, names))
    if len(args.seeds) > 1:
        print("Mean and standard deviation over the seeds")
        print(format_seeds(results))
    report = write_report(folders, out / "report.html", title="DigitScenes 4-3: forgetting")
    print(f"report: {report.resolve()}")
    return 0


def _train(config, folder, seed, start, args):
    from vdfd_seg.engine import load_settings, train_sequence
    from vdfd_seg.engine.settings import command_line
    from vdfd_seg.paths import resolve_config

    options = {"log_level": "WARNING", "custom_hooks": [{"type": "vdfd_seg.ProgressHook"}]}
    if args.iters:
        options["train_cfg.max_iters"] = args.iters
        options["step_overrides.1:.train_cfg.max_iters"] = args.iters
    return train_sequence(
        load_settings(resolve_config(config), options, seed),
        folder,
        resume=not args.overwrite,
        overwrite=args.overwrite,
        init_from=start,
        command=command_line(),
    )
