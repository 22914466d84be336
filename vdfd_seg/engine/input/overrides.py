"""Changes of a config by the command line and by ``step_overrides``."""

import argparse
import copy
import re
from collections.abc import Mapping, Sequence

from mmengine.config import Config, DictAction

from vdfd_seg.errors import InputError

WHOLE_RUN = {"protocol", "method", "seed", "evaluate_on", "data_preparation", "step_overrides"}
"""Keys that a step cannot override."""


def parse_options(options: Sequence[str]) -> dict:
    """Read ``--cfg-options`` as MMEngine does."""
    for option in options:
        if not option.partition("=")[0] or "=" not in option:
            raise InputError(f"--cfg-options: '{option}' is not of the form KEY=VALUE.")
    parse = argparse.ArgumentParser()
    parse.add_argument("--o", nargs="+", action=DictAction, default={})
    return parse.parse_args(["--o", *options]).o if options else {}


def parse_steps(text: str, count: int, where: str = "--steps") -> range:
    """Steps named by a number or a Python slice ``A:B`` (B excluded)."""
    found = re.fullmatch(r"\s*(-?\d+)\s*|\s*(-?\d+)?\s*:\s*(-?\d+)?\s*", text)
    if found is None:
        raise InputError(f"{where} '{text}' is not a step or a slice A:B.")
    one, begin, end = (None if part is None else int(part) for part in found.groups())
    if one is None:
        return range(count)[begin:end]
    if not -count <= one < count:
        raise InputError(f"{where} '{text}': the protocol has steps 0 to {count - 1}.")
    return range(count)[one : one + 1 or None]


def step_configs(config: Config, count: int) -> list[Config]:
    """The config of each step: ``step_overrides`` merged in.

    Keys of ``step_overrides`` are step numbers or Python slices over steps, as text: ``"0"``,
    ``"1:"``. Later entries win.
    """
    overrides = config.get("step_overrides") or {}
    if not isinstance(overrides, Mapping):
        raise InputError("step_overrides must be a dict of steps and what changes there.")
    changes = []
    for key, values in overrides.items():
        whole = WHOLE_RUN & set(values) if isinstance(values, Mapping) else {"no dict"}
        if whole:
            raise InputError(
                f"step_overrides '{key}' must be a dict without {', '.join(sorted(WHOLE_RUN))}, "
                f"which hold for the whole run; found {min(whole)}."
            )
        changes.append((parse_steps(str(key), count, "step_overrides"), values))
    steps = []
    for step in range(count):
        steps.append(copy.deepcopy(config))
        steps[-1].pop("step_overrides", None)
        for chosen, values in changes:
            if step in chosen:
                # Merging takes MMEngine's _delete_ out of what it merges.
                steps[-1].merge_from_dict(copy.deepcopy(values))
    return steps
