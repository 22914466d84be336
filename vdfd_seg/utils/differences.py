"""Where two settings differ, in words."""

from collections.abc import Iterator
from typing import Any

_SHOWN = 6
_ABSENT = object()


def told(old: Any, new: Any) -> str:
    """The keys that differ, each with its old and its new value; empty where none does.

    Args:
        old: Plain data as it was: dicts, lists, numbers, text.
        new: As it is now.

    Returns:
        For instance ``optim_wrapper.optimizer.lr was 0.1, now 0.01``. Of more than six differences
        the first six are named and the others counted.
    """
    found = list(differences(old, new))
    more = [f"and {len(found) - _SHOWN} more"] if len(found) > _SHOWN else []
    return "; ".join([*found[:_SHOWN], *more])


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Each difference, the key dotted; entries of a list are numbered."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in [*old, *(key for key in new if key not in old)]:
            path = f"{where}.{key}" if where else str(key)
            yield from differences(old.get(key, _ABSENT), new.get(key, _ABSENT), path)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from differences(*pair, f"{where}[{number}]")
    elif old != new:
        yield f"{where} was {_text(old)}, now {_text(new)}"


def _text(value: Any) -> str:
    text = "not set" if value is _ABSENT else repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."
