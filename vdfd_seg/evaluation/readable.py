"""Numbers, bytes and times as text."""

from collections.abc import Mapping
from typing import Any

MISSING = "-"


def format_number(value: float | None, digits: int = 2) -> str:
    """A number rounded for reading; ``-`` for None."""
    return MISSING if value is None else f"{value:.{digits}f}"


def with_deviation(value: float | None, deviation: float | None = None, digits: int = 2) -> str:
    """A mean and its deviation, rounded for reading."""
    text = format_number(value, digits)
    return text if deviation is None else f"{text} ± {format_number(deviation, digits)}"


def human_bytes(count: float | None) -> str:
    """A number of bytes with a binary unit (``1.5 MiB``); ``-`` for None."""
    if count is None:
        return MISSING
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(count) < 1024:
            return f"{count:.0f} B" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1024
    return f"{count:.1f} TiB"


def human_seconds(seconds: float | None) -> str:
    """A duration (``42 s``, ``3 min 05 s``, ``2 h 07 min``); ``-`` for None."""
    if seconds is None:
        return MISSING
    whole = round(seconds)
    if whole < 60:
        return f"{seconds:.1f} s" if seconds < 10 else f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def human_peak(step: Mapping[str, Any]) -> str:
    """A step's peak of memory with what it is of (``1.5 GiB GPU``, ``1.5 GiB RAM``), or ``-``."""
    peak = step.get("peak_memory_bytes")
    if peak is None:
        return MISSING
    return f"{human_bytes(peak)} {'GPU' if step['peak_memory_of'] == 'GPU' else 'RAM'}"
