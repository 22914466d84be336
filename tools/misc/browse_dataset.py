#!/usr/bin/env python3
"""Pictures of what a step trains on: augmented images next to their masked labels, with a legend.

An image is drawn as it is in training, with the classes of other tasks in the background's colour
and void in cream, in the order in which training with the config's seed draws them.

Usage: python tools/misc/browse_dataset.py CONFIG --method NAME --step K --out FOLDER
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from vdfd_seg.cli import run_guarded
from vdfd_seg.cli.arguments import add_config_arguments, settings_of, step_of


def write_pictures(settings, step: int, count: int, out: Path) -> list[Path]:
    """Write the first images that a step of segmentation draws, ``NUMBER_NAME.png``."""
    import numpy as np
    from PIL import Image

    from vdfd_seg.datasets.sampler import DrawSampler
    from vdfd_seg.engine import open_data, set_up
    from vdfd_seg.protocols.voc import default_palette
    from vdfd_seg.utils.files import atomic_write_image, writable_dir
    from vdfd_seg.utils.seeding import derived_seed
    from vdfd_seg.visualization.overlay import as_rgb, colourise, grid, with_legend

    protocol = settings.protocol
    protocol.check_problem("browse_dataset", "segmentation")
    set_up()
    data = open_data(settings)
    seed = derived_seed(settings.seed, "step", step)
    samples = settings.method().select(data, step, {})
    pipeline = settings.for_step(step).train_dataloader["dataset"]["pipeline"]
    dataset = data.dataset("train", samples, pipeline, seed)
    names = protocol.label_names
    palette = protocol.palette_of_labels() or default_palette(len(names))
    writable_dir(out, "folder of --out")
    written = []
    for number, draw in zip(range(count), DrawSampler(dataset, seed, 0)):
        packed = dataset[draw]
        image = as_rgb(packed["inputs"].numpy()[::-1].transpose(1, 2, 0))
        labels = packed["data_samples"].gt_sem_seg.data.squeeze(0).numpy()
        seen = [label for label in np.unique(labels) if label < len(names)]
        page = with_legend(grid([[image, colourise(labels, palette)]]), seen, names, palette)
        name = Path(packed["data_samples"].img_path).stem
        written.append(out / f"{number:03d}_{name}.png")
        atomic_write_image(written[-1], Image.fromarray(page))
    return written


def main(argv=None) -> None:
    """Write the pictures."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_config_arguments(parse)
    parse.add_argument("--step", type=int, default=0, help="default: %(default)s")
    parse.add_argument("--count", type=int, default=16, help="of pictures; default: %(default)s")
    parse.add_argument("--out", type=Path, required=True, metavar="DIR", help="gets the pictures")
    args = parse.parse_args(argv)
    settings = settings_of(args)
    written = write_pictures(settings, step_of(settings, args.step), args.count, args.out)
    print(f"{len(written)} pictures of what step {args.step} trains on: {args.out}")


if __name__ == "__main__":
    sys.exit(run_guarded(main))
