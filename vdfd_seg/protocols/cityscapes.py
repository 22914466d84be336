"""Cityscapes, domain-incremental: one city after another."""

from vdfd_seg.protocols.builders import domain_incremental
from vdfd_seg.protocols.protocol import Protocol

CLASSES = (
    "road", "sidewalk", "building", "wall", "fence", "pole", "traffic light", "traffic sign",
    "vegetation", "terrain", "sky", "person", "rider", "car", "truck", "bus", "train",
    "motorcycle", "bicycle",
)  # fmt: skip

PALETTE = (
    (128, 64, 128), (244, 35, 232), (70, 70, 70), (102, 102, 156), (190, 153, 153),
    (153, 153, 153), (250, 170, 30), (220, 220, 0), (107, 142, 35), (152, 251, 152),
    (70, 130, 180), (220, 20, 60), (255, 0, 0), (0, 0, 142), (0, 0, 70), (0, 60, 100),
    (0, 80, 100), (0, 0, 230), (119, 11, 32),
)  # fmt: skip

CITIES = (
    "aachen", "bremen", "darmstadt", "erfurt", "hanover", "krefeld", "strasbourg", "tubingen",
    "weimar", "bochum", "cologne", "dusseldorf", "hamburg", "jena", "monchengladbach",
    "stuttgart", "ulm", "zurich", "frankfurt", "lindau", "munster",
)  # fmt: skip
"""In the order of PLOP's domain-incremental benchmark (Douillard et al., CVPR 2021)."""

SPLITS = ("offline", "11-5", "11-1", "1-1")


def cityscapes(split: str, **rules) -> Protocol:
    """Cityscapes over 21 cities: ``11-5`` (3 tasks), ``11-1`` (11) or ``1-1`` (21).

    The images of the official training and validation sets together are divided
    by ``domain_split`` (default ``"clean"``).

    Args:
        split: One of :data:`SPLITS`.
        **rules: ``order`` (of the cities; default PLOP's) and further fields of
            :class:`~vdfd_seg.protocols.Protocol`.
    """
    return domain_incremental(
        "Cityscapes", CLASSES, CITIES, "city", split, SPLITS, PALETTE, **rules
    )
