"""Configs as nested dicts and lists: their parts, and where two of them differ."""

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = 6
_ABSENT = object()


def as_list(value: Any) -> list:
    """What a config gives as one or as several: a list; empty for None."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def parts_in(value: Any) -> Iterator[Mapping]:
    """Every dict with a ``type`` in a config, in its order."""
    if isinstance(value, Mapping):
        if "type" in value:
            yield value
        value = list(value.values())
    if isinstance(value, (list, tuple)):
        for item in value:
            yield from parts_in(item)


def types_in(value: Any) -> Iterator[str]:
    """Every ``type`` that a config names, in its order."""
    return (part["type"] for part in parts_in(value) if isinstance(part["type"], str))


def without_keys(value: Any, *keys: str) -> Any:
    """Nested dicts and lists without some keys."""
    if isinstance(value, dict):
        return {k: without_keys(v, *keys) for k, v in value.items() if k not in keys}
    if isinstance(value, (list, tuple)):
        return [without_keys(item, *keys) for item in value]
    return value


def difference_text(old: Any, new: Any) -> str:
    """The keys of plain data that differ, each with both values; empty where none does.

    For instance ``optim_wrapper.optimizer.lr was 0.1, now 0.01``. Of more than six differences the
    first six are named and the others counted.
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
