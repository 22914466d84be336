"""CIFAR-100, task- and class-incremental."""

from vdfd_seg.protocols.builders import classification
from vdfd_seg.protocols.protocol import Protocol

CLASSES = (
    "apple", "aquarium_fish", "baby", "bear", "beaver", "bed", "bee", "beetle", "bicycle",
    "bottle", "bowl", "boy", "bridge", "bus", "butterfly", "camel", "can", "castle",
    "caterpillar", "cattle", "chair", "chimpanzee", "clock", "cloud", "cockroach", "couch",
    "crab", "crocodile", "cup", "dinosaur", "dolphin", "elephant", "flatfish", "forest", "fox",
    "girl", "hamster", "house", "kangaroo", "keyboard", "lamp", "lawn_mower", "leopard", "lion",
    "lizard", "lobster", "man", "maple_tree", "motorcycle", "mountain", "mouse", "mushroom",
    "oak_tree", "orange", "orchid", "otter", "palm_tree", "pear", "pickup_truck", "pine_tree",
    "plain", "plate", "poppy", "porcupine", "possum", "rabbit", "raccoon", "ray", "road",
    "rocket", "rose", "sea", "seal", "shark", "shrew", "skunk", "skyscraper", "snail", "snake",
    "spider", "squirrel", "streetcar", "sunflower", "sweet_pepper", "table", "tank", "telephone",
    "television", "tiger", "tractor", "train", "trout", "tulip", "turtle", "wardrobe", "whale",
    "willow_tree", "wolf", "woman", "worm",
)  # fmt: skip


def cifar100(tasks: int = 10, num_classes: int | None = None, **rules) -> Protocol:
    """CIFAR-100 in natural class order, ``tasks=10`` (10-split) or ``20`` (20-split).

    Args:
        tasks, num_classes: As in :func:`~vdfd_seg.protocols.builders.classification`.
        **rules: ``scenario``, ``order``, ``validation``, ``name``.
    """
    return classification("CIFAR100", CLASSES, tasks, num_classes=num_classes, **rules)
