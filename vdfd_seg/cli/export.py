"""``vdfd_seg export``: a step for mmsegmentation or as ONNX."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vdfd_seg.cli.arguments import add_checkpoint_arguments
from vdfd_seg.errors import InputError
from vdfd_seg.utils.installation import quiet_imports
from vdfd_seg.utils.paths import find_checkpoints

FORMATS = {".pth": "mmseg", ".onnx": "onnx"}


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command."""
    parse = argparse.ArgumentParser(
        description="Write a step's network for mmsegmentation (a checkpoint and a config) or as "
        "ONNX, compared with PyTorch through onnxruntime."
    )
    add_checkpoint_arguments(parse)
    parse.add_argument("--out", required=True, metavar="FILE", help="FILE.pth or FILE.onnx")
    parse.add_argument(
        "--format", choices=sorted(FORMATS.values()), help="default: as the suffix of FILE says"
    )
    parse.add_argument(
        "--size", type=int, nargs=2, metavar=("H", "W"), help="ONNX for images of one size only"
    )
    args = parse.parse_args(argv)
    out, checkpoint = Path(args.out), Path(args.checkpoint)
    kind = args.format or FORMATS.get(out.suffix)
    if kind is None:
        raise InputError(f"--out '{out}' must end in .pth (mmsegmentation) or .onnx.")
    if args.size and (kind != "onnx" or min(args.size) < 1):
        raise InputError("--size is for ONNX and needs a height and a width of a pixel or more.")
    if out.is_dir():
        raise InputError(f"--out '{out}' is a folder; give the name of a file.")
    if checkpoint.is_dir() or args.step is not None:
        (checkpoint,) = find_checkpoints(checkpoint, args.step)
    if out.resolve() == checkpoint.resolve():
        raise InputError(f"--out would overwrite the checkpoint '{checkpoint}'.")
    with quiet_imports():
        from vdfd_seg.export import export_mmseg, export_onnx
        from vdfd_seg.utils.files import writable_dir

    writable_dir(out.parent, "folder of --out")
    if kind == "mmseg":
        weights, config = export_mmseg(checkpoint, out)
        print(f"checkpoint: {weights}\nconfig:     {config}")
        return
    print("exporting the network to ONNX, then comparing it with PyTorch ...", flush=True)
    check = export_onnx(checkpoint, out, tuple(args.size) if args.size else None)
    print(
        f"{out}: scores differ from PyTorch's by at most {check.difference:.1e} of the greatest, "
        f"{100 * check.labels:.2f} % of the labels are the same"
    )
    if check.resizes:
        print("resize images first as test_pipeline in the metadata says, and the logits back")
