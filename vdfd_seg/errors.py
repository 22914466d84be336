"""Errors a user can mend, told apart from defects of this package."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """Bad input: a config, file, argument or checkpoint that cannot be used.

    The message names the file or key and says what to do. Command-line tools
    print it without a traceback and leave with exit status 2.
    """


def unknown_name(kind: str, name: object, valid: Iterable[str]) -> InputError:
    """An :class:`InputError` for a name that is not among the valid ones.

    Args:
        kind: What is being named, for instance ``"protocol"``.
        name: The name that was given.
        valid: The names that exist.

    Returns:
        The error, naming the nearest valid name where one is near and listing
        all valid names.
    """
    valid = sorted(valid)
    near = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.5)
    if not near:
        folded = {item.lower(): item for item in valid}
        near = [
            folded[item]
            for item in difflib.get_close_matches(str(name).lower(), folded, n=1, cutoff=0.5)
        ]
    hint = f" Did you mean '{near[0]}'?" if near else ""
    return InputError(f"unknown {kind} '{name}'.{hint} Valid names: {', '.join(valid)}.")
