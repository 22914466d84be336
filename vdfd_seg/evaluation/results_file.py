"""Reading, checking and writing ``results.json``."""

import hashlib
import json
import math
from collections.abc import Mapping
from numbers import Real
from operator import methodcaller
from pathlib import Path
from typing import Any

from vdfd_seg.errors import DamagedError, InputError
from vdfd_seg.utils.files import atomic_write_text

SCHEMA = 1
_TOP = ("method", "config", "seed", "protocol", "metric", "matrix", "summary", "steps")
_PROTOCOL = ("name", "dataset", "scenario", "setting", "fingerprint", "tasks")
SUMMARY = ("acc", "bwt", "forgetting", "avg_incremental", "overall")
_STEP = (
    "step", "task", "classes_seen", "per_class", "overall", "train_images", "test_images",
    "seconds", "seconds_per_iter", "parameters", "memory_bytes",
)  # fmt: skip


def load_results(path: str | Path) -> dict[str, Any]:
    """Read a ``results.json`` and check that it can be used.

    Args:
        path: The file, or a work dir that holds it.

    Returns:
        The results as in the public contract (schema 1), additional keys included.

    Raises:
        InputError: Naming the file, and the key where one is missing or wrong.
        DamagedError: For a file that is no JSON, or does not match its digest.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "results.json"
    try:
        results = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; has a step of this run been finished?") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (ValueError, RecursionError) as error:
        raise DamagedError(f"{path}: damaged, or not a JSON file ({error})") from error
    expected = results.pop("digest", None) if isinstance(results, dict) else None
    if expected is not None and expected != _digest(results):
        raise DamagedError(
            f"{path}: damaged: its content does not match its digest; evaluate the checkpoints "
            f"again, or take the key 'digest' out if you changed the file yourself"
        )
    check_results(results, str(path))
    return results


def write_results(path: str | Path, results: Mapping[str, Any]) -> None:
    """Check and write a ``results.json`` so that a crash leaves the old or the new file, whole.

    NumPy values become plain ones, NaN becomes null; ``digest`` is the SHA-256 of all else.
    """
    written = json.dumps(results, default=methodcaller("tolist"))
    plain = json.loads(written, parse_constant=lambda number: None)
    plain.pop("digest", None)
    check_results(plain, str(path))
    plain["digest"] = _digest(plain)
    text = json.dumps(plain, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    atomic_write_text(path, text)


def check_results(results: Any, source: str) -> None:
    """Check results against schema 1; additional keys are allowed.

    Required keys must be there, the steps in order, and the matrix lower-triangular with one row
    for each step up to the last one done (nulls for a step that was not evaluated).
    """
    if not isinstance(results, Mapping):
        raise InputError(f"{source}: holds no results (a JSON object is expected)")
    if results.get("schema") != SCHEMA:
        raise InputError(
            f"{source}: 'schema' is {results.get('schema')!r}; this version reads schema {SCHEMA}"
        )
    _require(results, _TOP, source, "")
    for key, keys in (("protocol", _PROTOCOL), ("summary", SUMMARY)):
        _require(results[key], keys, source, f"{key}.")
    if not isinstance(results["steps"], list) or not results["steps"]:
        raise InputError(f"{source}: 'steps' must be a list of at least one step")
    for index, step in enumerate(results["steps"]):
        _require(step, _STEP, source, f"steps[{index}].")
    numbers = [step["step"] for step in results["steps"]]
    if any(type(number) is not int for number in numbers) or sorted(set(numbers)) != numbers:
        raise InputError(f"{source}: 'steps' must be in order, each step once, not {numbers}")
    matrix, rows = results["matrix"], numbers[-1] + 1
    if not isinstance(matrix, list) or len(matrix) != rows or not all(map(_is_row, matrix)):
        raise InputError(
            f"{source}: 'matrix' must have {rows} rows of numbers or null, one up to the last step"
        )
    if any(len(row) <= index for index, row in enumerate(matrix)):
        raise InputError(f"{source}: row i of 'matrix' must have i + 1 entries or more")


def _is_row(row: Any) -> bool:
    return isinstance(row, list) and all(
        value is None or (isinstance(value, Real) and math.isfinite(value)) for value in row
    )


def _digest(results: dict) -> str:
    """Of the text that would be written, so that what was read gives the same."""
    text = json.dumps(results, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _require(mapping: Any, keys: tuple[str, ...], source: str, prefix: str) -> None:
    if not isinstance(mapping, Mapping):
        raise InputError(f"{source}: '{prefix.rstrip('.')}' must be an object")
    for key in keys:
        if key not in mapping:
            raise InputError(f"{source}: key '{prefix}{key}' is missing")
