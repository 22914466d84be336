"""CamVid, domain-incremental: one video sequence after another."""

from collections.abc import Sequence

from vdfd_seg.errors import unknown_name
from vdfd_seg.protocols.cityscapes import domain_incremental
from vdfd_seg.protocols.protocol import Protocol
from vdfd_seg.protocols.splits import groups, ordered, parse_split

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


def camvid(split: str = "1-1", order: Sequence[str] | None = None, **rules) -> Protocol:
    """CamVid (Brostow, Fauqueur and Cipolla, 2009) with 11 classes over its four sequences.

    A sequence's images are divided by ``domain_split`` (default ``"clean"``). They are frames of
    one video, a second apart or less: a test image is like its neighbours in time, some of which
    are trained on. So this measures forgetting of places and light, not generalisation.

    Args:
        split: ``"X-Y"``: X sequences in the first task, Y in each later one.
        order: The sequences in the order they are learned; default :data:`SEQUENCES`.
        **rules: Further fields of :class:`~vdfd_seg.protocols.Protocol`.

    Raises:
        InputError: For an unknown split, or an order that is no permutation of the sequences.
    """
    if split not in SPLITS:
        raise unknown_name("CamVid split", split, SPLITS)
    sequences = ordered(SEQUENCES, order, split, "sequence of CamVid")
    parts = groups(sequences, *parse_split(split, len(SEQUENCES)))
    rules = {"domain_split": "clean", **rules}
    return domain_incremental(split, "CamVid", CLASSES, parts, PALETTE, void=(VOID,), **rules)
