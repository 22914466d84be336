"""Configs as nested dicts and lists."""

from collections.abc import Iterator, Mapping
from typing import Any


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
