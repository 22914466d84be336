"""Random orders in which the classes or domains of a protocol are learned."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from itertools import count, islice
from math import factorial

from vdfd_seg.errors import InputError
from vdfd_seg.protocols.protocol import Protocol


def random_orders(cfg: Mapping, protocol: Protocol, number: int) -> list[dict]:
    """Different random orders of a protocol, the same wherever and whenever they are drawn.

    An order depends on the names of the classes (or domains) and its number alone, so that it is
    the same for every method, and the first of five are the first of ten. The classes learned stay
    the same; which of them share a task changes, as in PLOP's random orders of VOC 15-1 (Douillard
    et al., CVPR 2021). The tasks of ``Custom``, which are written out, stay together: the first
    stays first, the others change places.

    Args:
        cfg: The config's ``protocol``.
        protocol: What it describes.
        number: How many.

    Returns:
        For each order what changes in ``cfg``.
    """
    if cfg["type"] == "Custom":
        first, *later = [_plain(task) for task in cfg["tasks"]]
        drawn = _drawn(later, number, protocol.name)
        return [{"tasks": [first, *tasks]} for tasks in drawn]
    if protocol.scenario == "domain":
        domains = [name for task in protocol.tasks for name in task.domains]
        return [{"order": order} for order in _drawn(domains, number, protocol.name)]
    learned = [name for name in protocol.label_names if name != protocol.background]
    known = {*learned, protocol.background}
    rest = [name for name in protocol.classes if name not in known]
    return [{"order": [*order, *rest]} for order in _drawn(learned, number, protocol.name)]


def _drawn(items: Sequence, number: int, name: str) -> list[list]:
    if number > factorial(len(items)):
        raise InputError(
            f"protocol '{name}': {number} orders asked for, but {len(items)} classes, domains or "
            f"later tasks have {factorial(len(items))}."
        )
    return list(islice(_different(items), number))


def _different(items: Sequence) -> Iterator[list]:
    seen = []
    for draw in count(1):
        # By hashes: a generator's shuffle may differ between versions of its library.
        order = sorted(items, key=lambda item: hashlib.sha256(f"{draw} {item}".encode()).digest())
        if order not in seen:
            seen.append(order)
            yield order


def _plain(task):
    if isinstance(task, Mapping):
        return {key: list(v) if isinstance(v, (list, tuple)) else v for key, v in task.items()}
    return list(task)
