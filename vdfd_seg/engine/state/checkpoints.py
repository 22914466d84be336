"""Checkpoints that a run cannot go on from, refused before anything trains."""

from pathlib import Path

from vdfd_seg.engine.input.data import Data
from vdfd_seg.engine.input.differences import told
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.state.history import history, places
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import InputError
from vdfd_seg.utils.checkpoint import load_step


def checked_start(path: str | Path, settings: Settings) -> dict:
    """The checkpoint that ``--init-from`` names.

    Raises:
        InputError: Unless it is of a step 0 with the classes of the protocol's.
    """
    if "own_training" in settings.method().requires:
        raise InputError(
            f"--init-from: method {settings.config.method.type} remembers a task while it trains, "
            f"so it must train step 0 itself."
        )
    start = load_step(path)
    if start["meta"]["step"] != 0:
        raise InputError(f"--init-from '{path}' is of step {start['meta']['step']}, not of step 0.")
    scenario = start["meta"]["scenario"]
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
        check_settings(saved, data, settings, path)


def check_settings(saved: dict, data: Data, settings: Settings, path: Path) -> None:
    """Refuse to continue from a step that the config would have trained otherwise.

    Raises:
        InputError: Naming the keys with their old and new values, or for a method that carries
            positions of images which are elsewhere now.
    """
    meta, step = saved["meta"], saved["meta"]["step"]
    other = told(meta["trained_with"], settings.trained_with(step))
    if other:
        raise InputError(
            f"checkpoint '{path}' was trained with another config: {other}. Give the config as it "
            f"was (what is to change in later steps belongs under step_overrides), or another "
            f"--work-dir."
        )
    carries = "old_images" in settings.method().requires and saved["method"]["state"]
    if carries and meta["fingerprint"] != data.fingerprint and meta["places"] != places(data, step):
        raise InputError(
            f"checkpoint '{path}': {settings.config.method.type} carries positions of images of "
            f"task {step}, which are elsewhere in the data set now; put the new images behind "
            f"those that were there."
        )


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

    One whose tasks up to the checkpoint's step are the same, with the same training images, is
    not another: tasks may have been added.

    Raises:
        InputError: Naming both protocols and what differs.
    """
    meta = saved["meta"]
    scenario = meta["scenario"]
    if scenario != data.protocol.scenario:
        raise InputError(
            f"checkpoint '{path}' was trained {scenario}-incrementally, the config's protocol "
            f"'{data.protocol.name}' is {data.protocol.scenario}-incremental; give another folder "
            f"or config."
        )
    if meta["fingerprint"] == data.fingerprint:
        return
    message = (
        f"checkpoint '{path}' belongs to protocol '{meta['protocol']}' with fingerprint "
        f"{meta['fingerprint']}; the config's is '{data.protocol.name}' with {data.fingerprint}"
    )
    if meta["step"] >= len(data.protocol.tasks):
        raise InputError(f"{message} (other classes, order, rules or images).")
    then, now = meta["history"], history(data, meta["step"])
    images = {"count": None, "images": None}
    other = told(then | images, now | images)
    if not other and then != now:
        other = (
            f"step {meta['step']} had {then['count']} training images, now it would have "
            f"{now['count']}, or others, or other labels. Images that are added for a later task "
            f"must have none of the earlier tasks' classes labelled (while training they would be "
            f"masked anyway)"
        )
    if other:
        raise InputError(f"{message}: {other}.")
