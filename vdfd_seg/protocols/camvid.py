"""CamVid, domain-incremental: one video sequence after another."""

from vdfd_seg.protocols.builders import domain_incremental
from vdfd_seg.protocols.protocol import Protocol

CLASSES = (
    "sky", "building", "pole", "road", "pavement", "tree", "sign", "fence", "car", "pedestrian",
    "bicyclist",
)  # fmt: skip

VOID = "void"
"""Id 11 in the masks: pixels without one of the classes."""

PALETTE = (
    (128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0),
    (192, 128, 128), (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192), (0, 0, 0),
)  # fmt: skip

SEQUENCES = ("0016E5", "Seq05VD", "0001TP", "0006R0")
"""The largest first; 0001TP was filmed at dusk."""

SPLITS = ("offline", "1-1", "2-1", "2-2")


def camvid(split: str = "1-1", **rules) -> Protocol:
    """CamVid (Brostow, Fauqueur and Cipolla, 2009) with 11 classes over its four sequences.

    A sequence's images are divided by ``domain_split`` (default ``"clean"``). They are frames of
    one video, a second apart or less: a test image is like its neighbours in time, some of which
    are trained on. So this measures forgetting of places and light, not generalisation.

    Args:
        split: ``"X-Y"``: X sequences in the first task, Y in each later one.
        **rules: ``order`` (of the sequences; default :data:`SEQUENCES`) and further fields of
            :class:`~vdfd_seg.protocols.Protocol`.
    """
    return domain_incremental(
        "CamVid", CLASSES, SEQUENCES, "sequence", split, SPLITS, PALETTE, (VOID,), **rules
    )
