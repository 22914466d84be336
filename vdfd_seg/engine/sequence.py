"""Walking a protocol: train, remember, save, evaluate, report; step after step."""

import time
from pathlib import Path

from mmengine.device import get_device
from mmengine.dist import barrier, is_main_process
from mmengine.registry import OPTIMIZERS as MMENGINE_OPTIMIZERS
from mmseg.registry import OPTIMIZERS

from vdfd_seg.checkpoint import STEP_FORMAT, load_step, nbytes, save_plain, to_plain
from vdfd_seg.datasets.protocol_data import ProtocolData, open_source, prepare_data
from vdfd_seg.engine.environment import describe, forget_runner, set_up
from vdfd_seg.engine.evaluation import (
    confusions_of_step,
    predict_examples,
    step_metrics,
    write_examples,
)
from vdfd_seg.engine.ledger import Ledger
from vdfd_seg.engine.networks import build_network, finished_network
from vdfd_seg.engine.settings import Settings
from vdfd_seg.engine.step import StepTrainer, TrainedStep
from vdfd_seg.engine.work_dir import WorkDir
from vdfd_seg.errors import InputError, unknown_name
from vdfd_seg.files import writable_dir
from vdfd_seg.models import ContinualLearner, SegmentationView


def open_data(settings: Settings, progress: bool = True) -> ProtocolData:
    """The images of a config's protocol, indexed.

    Raises:
        InputError: For data that is missing or does not fit the protocol.
    """
    config = settings.config
    if is_main_process():
        prepare_data(config.get("data_preparation"))
    barrier()
    if is_main_process():
        train, test = _sources(settings, progress)
    barrier()
    if not is_main_process():
        # The index is cached by now.
        train, test = _sources(settings, False)
    return ProtocolData(settings.protocol, train, test, config.get("evaluate_on", "test"))


def _sources(settings, progress):
    config = settings.config
    return [
        open_source(config[part]["dataset"], settings.protocol, progress)
        for part in ("train_dataloader", "test_dataloader")
    ]


def train_sequence(
    settings: Settings,
    work_dir: str | Path,
    *,
    resume: bool = False,
    overwrite: bool = False,
    init_from: str | Path | None = None,
    steps: range | None = None,
    launcher: str = "none",
    command: str = "",
) -> dict:
    """Train and evaluate the steps of a protocol.

    A finished step (its checkpoint and its entry in ``results.json`` are there) is
    not run again; one whose checkpoint alone is there is only evaluated.

    Args:
        settings: What to run.
        work_dir: Where everything is written.
        resume: Go on with what ``work_dir`` holds.
        overwrite: Delete what ``work_dir`` holds.
        init_from: Checkpoint of a finished step 0 whose network step 0 takes
            instead of training, so that methods start from the same network.
        steps: Which steps; default all. Earlier ones must be finished.
        launcher: ``"none"``, ``"pytorch"`` or ``"slurm"``.
        command: The command line, kept in the results.

    Returns:
        The content of ``results.json``.

    Raises:
        InputError: For bad input, before anything trains.
    """
    set_up(launcher)
    run = WorkDir(work_dir)
    steps = range(len(settings.protocol.tasks)) if steps is None else steps
    start = _checked_start(init_from, settings) if init_from else None
    data = open_data(settings)
    run.open(resume, overwrite)
    ledger = Ledger(run, settings, data, describe(), command)
    _check_checkpoints(run, data, settings, steps)
    _check_parts(settings, data, steps)
    examples = data.example_samples(settings.config.get("examples", 4))
    if is_main_process():
        write_examples(data, examples, run.samples)
    for step in steps:
        if run.checkpoint(step).exists() and ledger.has(step):
            continue
        _run_step(settings, data, run, ledger, step, start if step == 0 else None, launcher, examples)
    return ledger.results


def _run_step(settings, data, run, ledger, step, start, launcher, examples):
    task = settings.protocol.tasks[step]
    previous = load_step(run.checkpoint(step - 1)) if step else None
    trainer = StepTrainer(settings, data, step, previous, run.step(step), launcher)
    if is_main_process():
        run.step(step).mkdir(exist_ok=True)
        print(
            f"\n=== {settings.config.method.type}: step {step} of {len(settings.protocol.tasks)}, "
            f"{task.name} ===",
            flush=True,
        )
    try:
        if run.checkpoint(step).exists():
            saved = load_step(run.checkpoint(step))
            learner, context = trainer.prepare(state=saved["state_dict"])
        else:
            if start is not None:
                learner, context = trainer.prepare(state=start["state_dict"])
                trained = TrainedStep(learner, context, 0.0, 0.0, start["meta"]["train_images"])
            else:
                trained = trainer.train(run.resume(step), _tag(settings, data, step))
                learner, context = trained.learner, trained.context
            saved = _finish(trained, settings, data, run, step)
        begun = time.perf_counter()
        loader = trainer.config.test_dataloader
        where = trainer.config.get("prediction_dir")
        confusions = confusions_of_step(
            learner, data, step, loader, Path(where) / run.step(step).name if where else None
        )
        if is_main_process():
            predict_examples(learner, data, examples, loader, run.predictions(step))
            ledger.add(step, step_metrics(data.protocol, step, confusions), saved["meta"])
            print(ledger.line(step, time.perf_counter() - begun), flush=True)
        barrier()
    finally:
        forget_runner()


def _finish(trained: TrainedStep, settings, data, run, step) -> dict:
    """Let the method remember the task, and write the step's checkpoint."""
    method, context = trained.learner.method, trained.context
    begun = time.perf_counter()
    carried = to_plain(method.after_task(context), "the method's carried state")
    network = trained.learner.network
    protocol = data.protocol
    content = {
        "state_dict": network.state_dict(),
        "meta": {
            "format": STEP_FORMAT,
            "step": step,
            "protocol": protocol.name,
            "fingerprint": data.fingerprint,
            "dataset_meta": {
                "classes": list(protocol.classes_seen(step)),
                "palette": protocol.palette_of_labels()[: protocol.num_classes(step)],
            },
            "model": settings.config.model.to_dict(),
            "test_pipeline": _pipeline(settings),
            "seed": settings.seed,
            "train_images": trained.train_images,
            "seconds": trained.seconds,
            "seconds_per_iter": trained.seconds_per_iter,
            "seconds_after_task": time.perf_counter() - begun,
            "parameters": sum(p.numel() for p in network.parameters()),
            "memory_bytes": nbytes(carried) + method.stored_data_bytes(data, step),
        },
        "method": {"type": settings.config.method.type, "state": carried},
    }
    if is_main_process():
        save_plain(run.checkpoint(step), content)
        run.resume(step).unlink(missing_ok=True)
    barrier()
    return content


def _pipeline(settings):
    return settings.config.test_dataloader.dataset.to_dict().get("pipeline", [])


def _tag(settings, data, step):
    return {
        "step": step,
        "fingerprint": data.fingerprint,
        "method": settings.config.method.type,
        "seed": settings.seed,
    }


def _checked_start(path, settings):
    """The checkpoint that ``--init-from`` names, of a step 0 with these classes."""
    start = load_step(path)
    if start["meta"]["step"] != 0:
        raise InputError(f"--init-from '{path}' is of step {start['meta']['step']}, not of step 0.")
    names = list(settings.protocol.classes_seen(0))
    found = start["meta"]["dataset_meta"]["classes"]
    if found != names:
        raise InputError(
            f"--init-from '{path}' knows the classes {found}, the protocol's first task is {names}."
        )
    return start


def _check_checkpoints(run: WorkDir, data: ProtocolData, settings: Settings, steps: range):
    """Refuse, before anything trains, checkpoints that this run cannot go on from."""
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


def _check_parts(settings: Settings, data: ProtocolData, steps: range):
    """Refuse, before anything trains, a config whose parts cannot be built for some step."""
    where = settings.config.get("prediction_dir")
    if where and is_main_process():
        writable_dir(where, "prediction_dir")
    checked = []
    for step in steps:
        config = settings.for_step(step)
        for part in ("train", "test"):
            data.dataset(part, [], config[f"{part}_dataloader"]["dataset"]["pipeline"])
        kind = (config.optim_wrapper.get("optimizer") or {}).get("type")
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            raise unknown_name("optimizer", kind, MMENGINE_OPTIMIZERS.module_dict)
        if config.model not in checked:
            network, _ = build_network(config.model, settings.protocol.num_classes(step))
            SegmentationView(network)
            checked.append(config.model)


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


def check_protocol(saved: dict, data: ProtocolData, path: Path) -> None:
    """Refuse a checkpoint of another protocol.

    Raises:
        InputError: Naming both protocols.
    """
    if saved["meta"]["fingerprint"] != data.fingerprint:
        raise InputError(
            f"checkpoint '{path}' belongs to protocol '{saved['meta']['protocol']}' with "
            f"fingerprint {saved['meta']['fingerprint']}; the config's is '{data.protocol.name}' "
            f"with {data.fingerprint} (other classes, order, rules or images)."
        )


def load_learner(settings: Settings, data: ProtocolData, step: int, saved: dict):
    """The learner of a finished step, for evaluation.

    Args:
        settings: The run's settings.
        data: The protocol and its images.
        step: The step.
        saved: Its checkpoint.
    """
    model = settings.for_step(step).model
    network = finished_network(model, data.protocol.num_classes(step), saved["state_dict"])
    learner = ContinualLearner(network, settings.method(), SegmentationView(network))
    return learner.to(get_device())
