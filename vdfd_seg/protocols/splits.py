"""Splitting a list of classes or domains into tasks named ``X-Y``."""

from collections.abc import Sequence

from vdfd_seg.errors import InputError


def groups(items: Sequence[str], first: int, each: int) -> list[tuple[str, ...]]:
    """``first`` items for the first task, then ``each`` for every later one.

    Raises:
        InputError: When the remaining items do not divide into groups of ``each``.
    """
    rest = len(items) - first
    if first < 1 or rest < 0 or (rest and (each < 1 or rest % each)):
        raise InputError(
            f"cannot split {len(items)} classes or domains as {first}-{each}: after the first "
            f"{first}, {max(rest, 0)} remain, which is not a multiple of {each}."
        )
    starts = range(first, len(items), each) if rest else ()
    return [tuple(items[:first])] + [tuple(items[s : s + each]) for s in starts]


def parse_split(split: str, count: int) -> tuple[int, int]:
    """Numbers of ``"X-Y"``; ``"offline"`` is one task of all ``count`` items.

    Raises:
        InputError: When the text is not of this form.
    """
    if split == "offline":
        return count, 1
    parts = str(split).split("-")
    if len(parts) != 2 or not all(part.isdigit() for part in parts):
        raise InputError(f"split '{split}' is not of the form X-Y (for instance 10-5) or offline.")
    return int(parts[0]), int(parts[1])


def ordered(items: Sequence[str], order: Sequence[str] | None, name: str, what: str) -> list[str]:
    """``items`` in the order that a config gives, or in their own.

    Args:
        items: All of them.
        order: The same in another order; None for their own.
        name: The protocol's name, for the message.
        what: What one of them is, for the message.

    Raises:
        InputError: When the order does not name each once.
    """
    if order is None:
        return list(items)
    if sorted(order) != sorted(items):
        raise InputError(f"protocol '{name}': order must name each {what} once.")
    return list(order)


def task_name(names: Sequence[str]) -> str:
    """A short name for a task of these classes or domains."""
    return "+".join(map(str, names)) if len(names) <= 3 else f"{names[0]}..{names[-1]}"
