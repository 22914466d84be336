"""The origin of a run's files: checkpoints and states of another protocol or config are refused."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from vdfd_seg.datasets.data import ContinualData
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.state.recovery import last_state
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import InputError
from vdfd_seg.utils.checkpoint import load_step, to_plain
from vdfd_seg.utils.files import previous_state
from vdfd_seg.utils.nested import difference_text, without_keys

# What only the evaluation depends on, and what may grow.
_NO_HISTORY = ("name", "palette", "classes", "tasks", "unseen", "average")


def history(data: ContinualData, step: int) -> dict:
    """The part of a protocol and its images that decides the training of a step, as plain data.

    The rules, ``tasks`` (classes and domains up to the step), and of the step's training images the
    ``count`` and a digest, ``images``. Later tasks are left out, so a protocol with more of them
    gives the same. So is everything that matters for evaluation alone, and the ids of classes in
    the masks.
    """
    protocol = data.protocol
    rules = {key: value for key, value in asdict(protocol).items() if key not in _NO_HISTORY}
    tasks = [
        {"classes": list(task.classes), "domains": list(task.domains)}
        for task in protocol.tasks[: step + 1]
    ]
    count, images = len(data.train_samples(step)), data.train_digest(step)
    return {**rules, "tasks": tasks, "count": count, "images": images}


def origin(settings: Settings, data: ContinualData, step: int) -> dict:
    """What a step's weights come from, as plain data: in its checkpoint and in its states."""
    return {
        "step": step,
        "seed": settings.seed,
        "history": history(data, step),
        "trained_with": settings.trained_with(step),
    }


def places(data: ContinualData, step: int) -> list[int]:
    """Positions in the data set of a step's training images, for methods that carry them."""
    return [sample.image for sample in data.train_samples(step)]


def checked_start(path: str | Path, settings: Settings) -> dict:
    """The checkpoint that ``--init-from`` names."""
    if "own_training" in settings.method().requires:
        raise InputError(
            f"--init-from: method {settings.config.method.type} remembers a task while it trains, "
            f"so it must train step 0 itself."
        )
    start, protocol = load_step(path), settings.protocol
    meta, names = start["meta"], list(protocol.classes_seen(0))
    then = {key: meta[key] for key in ("step", "scenario")}
    other = difference_text(
        {**then, "classes": meta["dataset_meta"]["classes"]},
        {"step": 0, "scenario": protocol.scenario, "classes": names},
    )
    if other:
        raise InputError(f"--init-from '{path}' is no step 0 of the config's protocol: {other}.")
    return start


@contextmanager
def fitting(saved: dict, settings: Settings, step: int) -> Iterator[None]:
    """Name the keys of the model that differ, where weights inside the block do not fit.

    Raises:
        InputError: The one from the block, with the keys of the two models' configs that differ.
    """
    try:
        yield
    except InputError as error:
        model = without_keys(to_plain(saved["meta"]["model"], "model"), "init_cfg", "pretrained")
        other = difference_text({"model": model}, {"model": settings.trained_with(step)["model"]})
        raise InputError(f"{error} {other}." if other else str(error)) from error


def check_checkpoints(run: WorkDir, data: ContinualData, settings: Settings, steps: range) -> None:
    """Refuse checkpoints that this run cannot continue from.

    Raises:
        InputError: For a checkpoint that is missing, damaged, or of another protocol, method or
            config, or whose method carries positions of images that have moved in the data set.
    """
    first = steps[0] if steps else 0
    for step in range(len(data.protocol.tasks)):
        path = run.checkpoint(step)
        if not path.exists():
            if step < first:
                raise InputError(
                    f"--steps starts with step {first}, but step {step} is not finished: "
                    f"'{path}' does not exist."
                )
            continue
        saved = load_step(path)
        check_origin(saved, data, settings, path)
        _check_config(saved, data, settings, path)


def check_states(run: WorkDir, steps: Iterable[int], tag_of: Callable[[int], dict]) -> None:
    """Refuse the state of an unfinished step that was trained with other settings.

    Args:
        run: The run's files.
        steps: Steps that will be trained.
        tag_of: What the state of a step must have in common with this run.

    Raises:
        InputError: Naming the keys that differ, as a config has them.
    """
    for step in steps:
        path = run.resume(step)
        state = last_state(path, warns=False)
        if state is None:
            continue
        (then, history_then), (now, history_now) = map(_parts, (state["tag"], tag_of(step)))
        other = difference_text(then, now) or _history_difference(history_then, history_now, step)
        if other:
            raise InputError(
                f"'{path}' is the same step (step {step}, unfinished) with other settings: "
                f"{other}. Give the settings as they were to continue the step, or another "
                f"--work-dir, or delete '{path.name}' and '{previous_state(path).name}' to train "
                f"the step from its start."
            )


def _parts(tag):
    """What of a state's tag is settings, by the config's keys, and its protocol's history."""
    rest = {key: value for key, value in tag.items() if key not in ("trained_with", "history")}
    # A state of an earlier version has neither, and differs.
    return rest | tag.get("trained_with", {}), tag.get("history")


def check_origin(saved: dict, data: ContinualData, settings: Settings, path: Path) -> None:
    """Refuse a checkpoint of another protocol or method.

    A protocol with the same tasks and training images up to the checkpoint's step counts as the
    same: tasks may have been added.
    """
    if saved["meta"]["fingerprint"] != data.fingerprint:
        _check_history(saved["meta"], data, path)
    trained, method = saved["method"]["type"], settings.config.method.type
    if trained != method:
        raise InputError(
            f"checkpoint '{path}' was trained with method {trained}, the config says {method}; "
            f"give another folder or config."
        )


def _check_config(saved, data, settings, path):
    meta, step = saved["meta"], saved["meta"]["step"]
    if "trained_with" not in meta:
        raise InputError(
            f"checkpoint '{path}' was published, without what later steps continue from; give it "
            f"with --init-from if it is a step 0."
        )
    other = difference_text(
        {**meta["trained_with"], "seed": meta["seed"]},
        {**settings.trained_with(step), "seed": settings.seed},
    )
    if other:
        raise InputError(
            f"checkpoint '{path}' was trained with another config: {other}. Give the config as it "
            f"was (changes of later steps belong under step_overrides), or another "
            f"--work-dir."
        )
    carries = "old_images" in settings.method().requires and saved["method"]["state"]
    if carries and meta["fingerprint"] != data.fingerprint and meta["places"] != places(data, step):
        raise InputError(
            f"checkpoint '{path}': {settings.config.method.type} carries positions of images of "
            f"task {step}, which have moved in the data set; put new images after the old ones."
        )


def _check_history(meta, data, path):
    step, tasks = meta["step"], len(data.protocol.tasks)
    if step >= tasks:
        other = f"it is of step {step}, and the protocol has {tasks} tasks"
    else:
        other = _history_difference(meta["history"], history(data, step), step)
    if other:
        raise InputError(
            f"checkpoint '{path}' belongs to protocol '{meta['protocol']}' with fingerprint "
            f"{meta['fingerprint']}; the config's is '{data.protocol.name}' with "
            f"{data.fingerprint}: {other}."
        )


def _history_difference(then, now, step):
    """Where two histories of a step differ, in words; empty where they do not."""
    images = {"count": None, "images": None}
    other = difference_text({"protocol": then | images}, {"protocol": now | images})
    if other or then == now:
        return other
    return (
        f"step {step} had {then['count']} training images, now it would have {now['count']}, or "
        f"others, or other labels. Images that are added for a later task must have none of the "
        f"earlier tasks' classes labelled (while training they would be masked anyway)"
    )
