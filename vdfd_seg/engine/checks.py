"""What is refused before anything trains."""

from pathlib import Path

from vdfd_seg.checkpoint import load_step
from vdfd_seg.engine.data import Data
from vdfd_seg.engine.settings import Settings
from vdfd_seg.engine.work_dir import WorkDir
from vdfd_seg.errors import InputError


def checked_start(path: str | Path, settings: Settings) -> dict:
    """The checkpoint that ``--init-from`` names.

    Raises:
        InputError: Unless it is of a step 0 with the classes of the protocol's.
    """
    if settings.method().needs_own_training:
        raise InputError(
            f"--init-from: method {settings.config.method.type} remembers a task while it trains, "
            f"so it must train step 0 itself."
        )
    start = load_step(path)
    if start["meta"]["step"] != 0:
        raise InputError(f"--init-from '{path}' is of step {start['meta']['step']}, not of step 0.")
    scenario = start["meta"].get("scenario", settings.protocol.scenario)
    if scenario != settings.protocol.scenario:
        raise InputError(
            f"--init-from '{path}' was trained {scenario}-incrementally, the config's protocol is "
            f"{settings.protocol.scenario}-incremental."
        )
    names = list(settings.protocol.classes_seen(0))
    found = start["meta"]["dataset_meta"]["classes"]
    if found != names:
        raise InputError(
            f"--init-from '{path}' knows the classes {found}, the protocol's first task is {names}."
        )
    return start


def check_checkpoints(run: WorkDir, data: Data, settings: Settings, steps: range) -> None:
    """Refuse checkpoints that this run cannot go on from.

    Raises:
        InputError: For one that is missing, damaged, or of another protocol or method.
    """
    first = steps[0] if steps else 0
    for step in range(len(data.protocol.tasks)):
        path = run.checkpoint(step)
        if not path.exists():
            if step < first:
                raise InputError(
                    f"--steps begins with step {first}, but step {step} is not finished: "
                    f"'{path}' does not exist."
                )
            continue
        saved = load_step(path)
        check_protocol(saved, data, path)
        check_method(saved, settings, path)


def check_method(saved: dict, settings: Settings, path: Path) -> None:
    """Refuse a checkpoint of another method.

    Raises:
        InputError: Naming both methods.
    """
    trained, method = saved["method"]["type"], settings.config.method.type
    if trained != method:
        raise InputError(
            f"checkpoint '{path}' was trained with method {trained}, the config says {method}; "
            f"give another folder or config."
        )


def check_protocol(saved: dict, data: Data, path: Path) -> None:
    """Refuse a checkpoint of another protocol.

    Raises:
        InputError: Naming both protocols.
    """
    scenario = saved["meta"].get("scenario", data.protocol.scenario)
    if scenario != data.protocol.scenario:
        raise InputError(
            f"checkpoint '{path}' was trained {scenario}-incrementally, the config's protocol "
            f"'{data.protocol.name}' is {data.protocol.scenario}-incremental; give another folder "
            f"or config."
        )
    if saved["meta"]["fingerprint"] != data.fingerprint:
        raise InputError(
            f"checkpoint '{path}' belongs to protocol '{saved['meta']['protocol']}' with "
            f"fingerprint {saved['meta']['fingerprint']}; the config's is '{data.protocol.name}' "
            f"with {data.fingerprint} (other classes, order, rules or images)."
        )
