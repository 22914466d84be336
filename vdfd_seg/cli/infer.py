"""``vdfd_seg infer``: predict images or a video with a step, or compare two steps."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vdfd_seg.cli.arguments import add_checkpoint_arguments
from vdfd_seg.errors import InputError
from vdfd_seg.utils.installation import quiet_imports


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parse = argparse.ArgumentParser(
        description="Segment or classify images with the checkpoint of a step, or show what "
        "changed between two steps."
    )
    add_checkpoint_arguments(parse)
    parse.add_argument("images", help="an image, a folder of images, or a video")
    parse.add_argument("--out", required=True, help="folder for the pictures and tables")
    parse.add_argument(
        "--diff", nargs="+", metavar="B",
        help="show what changed: between steps A B of a work dir, or from CHECKPOINT to one other",
    )  # fmt: skip
    parse.add_argument("--masks", action="store_true", help="write the label masks as well")
    parse.add_argument("--alpha", type=float, default=0.5, help="weight of the colours, 0 to 1")
    parse.add_argument("--batch-size", type=int, default=1, help="images a batch; default 1")
    parse.add_argument(
        "--task", type=int,
        help="of a classifier: the images' task, from 0; default all classes seen compete",
    )  # fmt: skip
    args = parse.parse_args(argv)
    if args.batch_size < 1:
        raise InputError(f"--batch-size {args.batch_size} must be 1 or more.")
    if not 0 <= args.alpha <= 1:
        raise InputError(f"--alpha {args.alpha} must be in 0 to 1.")
    if args.diff and (args.masks or args.step is not None):
        raise InputError("--diff goes with neither --masks nor --step; infer each step by itself.")
    with quiet_imports():
        from vdfd_seg.inference.writing import InputImages
        from vdfd_seg.utils.files import writable_dir

    source = InputImages(args.images, args.out)
    predict = _predictor(args)
    classifies = (predict.new if args.diff else predict).problem == "classification"
    if classifies and args.masks:
        raise InputError("--masks is for segmentation; this checkpoint is a classifier's.")
    out = writable_dir(args.out, "output folder")
    (_classify if classifies else _segment)(args, source, predict, out)


def _predictor(args):
    from vdfd_seg.inference import Differences, load_predictor

    if not args.diff:
        return load_predictor(args.checkpoint, args.step, args.task)
    if len(args.diff) == 1:
        parts = [(args.checkpoint, None), (args.diff[0], None)]
    elif len(args.diff) == 2 and all(step.isdigit() for step in args.diff):
        parts = [(args.checkpoint, int(step)) for step in args.diff]
    else:
        raise InputError(
            f"--diff {' '.join(args.diff)}: give two steps of a work dir (--diff 0 2), or one "
            f"checkpoint to compare with."
        )
    return Differences(*(load_predictor(path, step, args.task) for path, step in parts))


def _segment(args, source, predict, out: Path) -> None:
    from vdfd_seg.inference.writing import write_pages
    from vdfd_seg.utils.files import atomic_write_text, csv_text

    count, rows = write_pages(source, predict, out, args.batch_size, args.alpha, args.masks)
    if not args.diff:
        what = "frames" if source.video else "overlays"
        print(f"{count} {what} with the {len(predict.classes)} classes of step {predict.step} "
              f"in {out}")  # fmt: skip
        return
    text = csv_text([(source.unit, "from", "to", "pixels"), *rows])
    atomic_write_text(out / "changes.csv", text)
    _print_changes(predict, "pixels")
    print(f"pictures and every change: {out}, changes.csv")


def _classify(args, source, predict, out: Path) -> None:
    from vdfd_seg.inference.writing import classified
    from vdfd_seg.utils.files import atomic_write_text, csv_text

    heads = ["predicted_a", "score_a", "predicted_b", "score_b"]
    rows = classified(source, predict, args.batch_size)
    table = out / ("changes.csv" if args.diff else "predictions.csv")
    head = [source.unit, *(heads if args.diff else ["predicted", "score"])]
    atomic_write_text(table, csv_text([head, *rows]))
    one = predict.new if args.diff else predict
    if one.scenario == "task" and args.task is None:
        print("trained task-incrementally, and no --task given: the classes of all tasks compete")
    if args.diff:
        _print_changes(predict, f"{source.unit}s")
        print(f"every change: {table}")
    else:
        print(f"{len(rows)} {source.unit}s with the {len(one.classes)} classes of step "
              f"{one.step}: {table}")  # fmt: skip


def _print_changes(differences, unit: str) -> None:
    from vdfd_seg.inference.differences import format_changes

    print(f"from step {differences.old.step} to step {differences.new.step}: ", end="")
    print(format_changes(differences.counts, differences.classes, unit))
