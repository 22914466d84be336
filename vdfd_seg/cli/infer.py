"""``vdfd_seg infer``: segment images with the checkpoint of a step."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from vdfd_seg.environment import quiet_imports


def parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parse = argparse.ArgumentParser(description="Segment images with the checkpoint of a step.")
    parse.add_argument("checkpoint", help="a step's checkpoint.pth")
    parse.add_argument("images", help="an image, or a folder of images")
    parse.add_argument("--out", required=True, help="folder for the overlays")
    parse.add_argument("--masks", action="store_true", help="write the label masks as well")
    parse.add_argument("--alpha", type=float, default=0.5, help="weight of the colours, 0 to 1")
    return parse


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command.

    Raises:
        InputError: For a checkpoint or an image that cannot be used.
    """
    args = parser().parse_args(argv)
    with quiet_imports():
        import numpy as np
        from PIL import Image
        from tqdm import tqdm

        from vdfd_seg.engine.inference import Predictor, find_images
        from vdfd_seg.files import atomic_write_image, writable_dir
        from vdfd_seg.visualization import default_palette, legend, overlay

    images = find_images(args.images)
    out = writable_dir(args.out, "output folder")
    predict = Predictor.load(args.checkpoint)
    palette = predict.palette or default_palette(len(predict.classes))
    base = Path(args.images) if Path(args.images).is_dir() else images[0].parent
    for path in tqdm(images, desc="segmenting", unit="image"):
        mask = predict(path)
        with Image.open(path) as picture:
            blended = overlay(np.asarray(picture.convert("RGB")), mask, palette, args.alpha)
        present = sorted(set(np.unique(mask).tolist()))
        names = legend(
            [predict.classes[i] for i in present], [palette[i] for i in present], blended.shape[1]
        )
        width = max(names.shape[1], blended.shape[1])
        page = [np.pad(part, ((0, 0), (0, width - part.shape[1]), (0, 0)), constant_values=255)
                for part in (blended, names)]  # fmt: skip
        target = (out / path.relative_to(base)).with_suffix(".png")
        target.parent.mkdir(parents=True, exist_ok=True)
        atomic_write_image(target, Image.fromarray(np.concatenate(page)))
        if args.masks:
            atomic_write_image(target.with_name(f"{target.stem}_mask.png"), Image.fromarray(mask))
    print(f"{len(images)} overlays with the {len(predict.classes)} classes of step {predict.step} "
          f"in {out}")  # fmt: skip
    return 0
