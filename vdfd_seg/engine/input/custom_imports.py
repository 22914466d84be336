"""Importing the modules that a config names, with what to mend where that fails."""

import importlib
import traceback
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from vdfd_seg.errors import InputError


def import_modules(path: Path, custom: Any) -> None:
    """Import the modules of a config's ``custom_imports``, as MMEngine does.

    Args:
        path: The config, for messages.
        custom: ``imports``, a name or a list of names, and ``allow_failed_imports`` (default
            False); None for none.

    Raises:
        InputError: Where a module is not found; where it raises, with its own traceback.
    """
    if not custom:
        return
    if not isinstance(custom, Mapping) or set(custom) - {"imports", "allow_failed_imports"}:
        raise InputError(
            f"config '{path}': custom_imports must be a dict of 'imports' and "
            f"'allow_failed_imports', not {custom!r}."
        )
    names = custom.get("imports") or []
    for name in [names] if isinstance(names, str) else names:
        try:
            importlib.import_module(name)
        except Exception as error:
            if isinstance(error, ImportError) and custom.get("allow_failed_imports"):
                warnings.warn(f"{name} failed to import and is ignored: {error}", stacklevel=2)
                continue
            raise InputError(f"config '{path}': custom_imports: {_reason(name, error)}") from error


def _reason(name, error):
    missing = isinstance(error, ModuleNotFoundError) and error.name
    if missing and f"{name}.".startswith(f"{missing}."):
        return (
            f"there is no module '{name}'; name its folder in PYTHONPATH (PYTHONPATH=. for the "
            f"current one)."
        )
    told = traceback.TracebackException.from_exception(error)
    # Its own code alone, not the import machinery that leads there.
    own = [frame for frame in told.stack if "importlib" not in frame.filename]
    told.stack = traceback.StackSummary.from_list(own[1:])
    cause = f"module '{name}' raises {type(error).__name__}: {error}"
    return f"{cause}\n{''.join(told.format()).rstrip()}"
