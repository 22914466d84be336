"""Options out of their range, refused in the same words by every method."""

import math
from collections.abc import Callable, Sequence
from typing import Any

from vdfd_seg.errors import InputError


def not_negative(method: object, **options: float) -> None:
    """Refuse numbers below 0, and those that are not finite.

    Args:
        method: The method, or a part of one, which the message names.
        **options: Its options by name.

    Raises:
        InputError: Naming the method, the option and its value.
    """
    _refuse(method, options, lambda value: 0 <= value < math.inf, "must not be negative")


def positive(method: object, **options: float) -> None:
    """Refuse 0 and below, see :func:`not_negative`."""
    _refuse(method, options, lambda value: 0 < value < math.inf, "must be above 0")


def at_least_one(method: object, **options: int | Sequence[int]) -> None:
    """Refuse counts below 1, and lists that are empty or have one."""

    def fits(value):
        if isinstance(value, Sequence):
            return bool(value) and min(value) >= 1
        return value >= 1

    _refuse(method, options, fits, "must be at least 1")


def none_or_at_least_one(method: object, **options: int | None) -> None:
    """Refuse limits below 1; None is no limit."""
    _refuse(
        method,
        options,
        lambda value: value is None or value >= 1,
        "must be None or at least 1",
    )


def one_of(method: object, valid: Sequence[str | None], **options: str | None) -> None:
    """Refuse words that are not among the valid ones."""
    _refuse(method, options, lambda value: value in valid, f"is not one of {tuple(valid)}")


def _refuse(
    method: object, options: dict[str, Any], fits: Callable[[Any], bool], rule: str
) -> None:
    for name, value in options.items():
        if not fits(value):
            raise InputError(f"method {type(method).__name__}: {name}={value!r} {rule}.")
