"""Pictures of what a step predicts for each test image, next to its labels."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from vdfd_seg.protocols import Protocol
from vdfd_seg.protocols.voc import default_palette
from vdfd_seg.utils.files import atomic_write_image, writable_dir
from vdfd_seg.utils.paths import step_name
from vdfd_seg.visualization.overlay import as_rgb, comparison, with_legend


class PictureWriter:
    """Writes ``step_KK/NAME.png``: the image under its labels, under the prediction, and a legend.

    Args:
        folder: Where the pictures go.
        protocol, step: What predicts; classes of later tasks have no colour.
    """

    def __init__(self, folder: str | Path, protocol: Protocol, step: int):
        self.folder = writable_dir(Path(folder) / step_name(step), "--show-dir")
        self.classes = protocol.classes_seen(step)
        self.palette = protocol.palette_of_labels() or default_palette(len(self.classes))
        known = protocol.background in self.classes
        self.background = self.classes.index(protocol.background) if known else None

    def __call__(self, batch: dict, outputs: list) -> None:
        """Write the pictures of a batch.

        Args:
            batch: Of the test loader; of several views of an image the first is shown.
            outputs: Data samples with labels and predictions.
        """
        views = batch["inputs"]
        images = views[0] if isinstance(views[0], (list, tuple)) else views
        for image, output in zip(images, outputs, strict=True):
            labels, prediction = (
                part.data.squeeze().cpu().numpy()
                for part in (output.gt_sem_seg, output.pred_sem_seg)
            )
            pixels = as_rgb(image.numpy()[::-1].transpose(1, 2, 0))
            pixels = cv2.resize(pixels, labels.shape[::-1])
            masks = {"labels": labels, "prediction": prediction}
            page = comparison(pixels, masks, self.palette, background=self.background)
            known = set(range(len(self.classes))) - {self.background}
            seen = [label for label in np.union1d(labels, prediction) if label in known]
            page = with_legend(page, seen, self.classes, self.palette)
            file = self.folder / f"{Path(output.img_path).stem}.png"
            atomic_write_image(file, Image.fromarray(page))
