"""Random states as functions of where a run stands, so that resuming replays nothing."""

import hashlib


def derived_seed(*parts: object) -> int:
    """A 31-bit seed that depends on every part and on their order."""
    text = "\x1f".join(str(part) for part in parts)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") >> 1
