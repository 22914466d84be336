"""Runs the steps of a protocol: train, remember, save, evaluate."""

import time
from functools import partial
from pathlib import Path

from mmengine.dist import barrier, is_main_process

from vdfd_seg.engine.input.config_file import imported_modules
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.input.unsupported import notice
from vdfd_seg.engine.run.environment import describe, forget_runner, release_memory, set_up
from vdfd_seg.engine.run.examples import predict_examples, write_examples
from vdfd_seg.engine.run.rehearsal import rehearse
from vdfd_seg.engine.run.step import StepTrainer, state_tag
from vdfd_seg.engine.run.testing import evaluate_step, load_learner
from vdfd_seg.engine.state.checkpoints import (
    check_checkpoints,
    check_states,
    checked_start,
    origin,
    places,
)
from vdfd_seg.engine.state.recovery import recover
from vdfd_seg.engine.state.results_writer import ResultsWriter
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import InputError, Stopped
from vdfd_seg.methods.common.training_memory import held_bytes
from vdfd_seg.utils.checkpoint import STEP_FORMAT, load_step, nbytes, save_plain
from vdfd_seg.utils.files import writable_dir
from vdfd_seg.utils.garbage import present_objects_kept


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

    A finished step has a checkpoint and an entry in ``results.json``, and is not run again. A step
    with a checkpoint alone is only evaluated. Bad input is refused before anything trains.

    Args:
        settings: What to run.
        work_dir: Where everything is written.
        resume: Continue with what ``work_dir`` holds.
        overwrite: Delete what ``work_dir`` holds.
        init_from: Checkpoint of a finished step 0 whose network step 0 takes
            instead of training, so that methods start from the same network.
        steps: Which steps; default all. Earlier ones must be finished.
        launcher: ``"none"``, ``"pytorch"`` or ``"slurm"``.
        command: The command line, kept in the results.

    Returns:
        The content of ``results.json``.
    """
    set_up(launcher)
    run = WorkDir(work_dir)
    steps = range(len(settings.protocol.tasks)) if steps is None else steps
    start = checked_start(init_from, settings) if init_from else None
    data = open_data(settings)
    if is_main_process():
        if unused := notice(settings.config):
            print(unused, flush=True)
        if where := settings.config.get("prediction_dir"):
            writable_dir(where, "prediction_dir")
    run.open(resume, overwrite)
    if overwrite:
        if steps and steps[0]:
            raise InputError(
                f"--overwrite deletes all steps, and --steps needs those before step {steps[0]}; "
                f"give --resume, or leave one of them out."
            )
        # What is refused deletes nothing.
        rehearse(settings, data, steps, None, start)
        run.clear()
    recover(run, len(settings.protocol.tasks), start is not None)
    writer = ResultsWriter(run, settings, data, describe(), command)
    check_checkpoints(run, data, settings, steps)
    todo = [step for step in steps if not run.checkpoint(step).exists()]
    check_states(run, todo, partial(state_tag, settings, data))
    if todo and not overwrite:
        previous = load_step(run.checkpoint(todo[0] - 1)) if todo[0] else None
        rehearse(settings, data, range(todo[0], todo[-1] + 1), previous, start)
    if writer.begin():
        steps = range(steps[-1] + 1)
    run.write_config(settings)
    examples = data.example_samples(settings.config.get("examples", 4))
    if examples and is_main_process():
        write_examples(data, examples, run.samples)
    unfinished = [s for s in steps if not (run.checkpoint(s).exists() and writer.has(s))]
    with present_objects_kept():
        for step in unfinished:
            if step != unfinished[0]:
                release_memory()
            previous = load_step(run.checkpoint(step - 1)) if step else None
            trainer = StepTrainer(settings, data, step, run, previous)
            try:
                _run_step(trainer, writer, start if step == 0 else None, examples)
            except Stopped as stopped:
                stopped.saved = run.saved_of(step)
                raise
            finally:
                forget_runner()
            del trainer, previous
    return writer.results


def _run_step(
    trainer: StepTrainer, writer: ResultsWriter, start: dict | None, examples: list
) -> None:
    settings, data, step, run = trainer.settings, trainer.data, trainer.step, trainer.run
    if is_main_process():
        tasks = settings.protocol.tasks
        run.step(step).mkdir(exist_ok=True)
        print(
            f"\n=== {settings.config.method.type}: step {step} of {len(tasks)}, "
            f"{tasks[step].name} ===",
            flush=True,
        )
    if run.checkpoint(step).exists():
        saved = load_step(run.checkpoint(step))
        if is_main_process():
            run.forget_states(step)
        learner = load_learner(settings, step, saved)
    else:
        if start is not None:
            trainer.prepare(start)
            trainer.costs["train_images"] = start["meta"]["train_images"]
        else:
            trainer.train()
        learner, saved = trainer.learner, finish_step(trainer)
    begun = time.perf_counter()
    metrics = evaluate_step(settings, data, step, learner)
    if is_main_process():
        if examples:
            loader = trainer.config.test_dataloader
            predict_examples(learner, data, examples, loader, run.predictions(step))
        writer.add(step, metrics, saved["meta"])
        print(writer.line(step, time.perf_counter() - begun), flush=True)
    barrier()


def finish_step(trainer: StepTrainer) -> dict:
    """Let the method remember the task, and write the step's checkpoint; what that holds."""
    step, config, data, run = trainer.step, trainer.config, trainer.data, trainer.run
    method, network = trainer.learner.method, trainer.learner.network
    # Now, with the state of the method's optimiser, and before the teacher goes.
    held = held_bytes(method, network)
    held += method.stored_data_bytes(data, step - 1) if step else 0
    begun = time.perf_counter()
    carried = trainer.end()
    protocol = data.protocol
    content = {
        "state_dict": network.state_dict(),
        "meta": {
            "format": STEP_FORMAT,
            **origin(trainer.settings, data, step),
            "problem": protocol.problem,
            "protocol": protocol.name,
            "scenario": protocol.scenario,
            "background": protocol.background,
            "imports": imported_modules(config),
            "fingerprint": data.fingerprint,
            "places": places(data, step) if "old_images" in method.requires else None,
            "dataset_meta": {
                "classes": list(protocol.classes_seen(step)),
                "palette": protocol.palette_of_labels()[: protocol.num_classes(step)],
            },
            "model": config.model.to_dict(),
            "image_size": data.image_size,
            "test_pipeline": config.test_dataloader.dataset.to_dict().get("pipeline", []),
            "config": trainer.settings.text,
            **trainer.costs,
            "seconds_after_task": time.perf_counter() - begun,
            "parameters": sum(p.numel() for p in network.parameters()),
            "memory_bytes": nbytes(carried) + method.stored_data_bytes(data, step),
            "held_bytes": held,
        },
        "method": {"type": config.method.type, "state": carried},
    }
    if is_main_process():
        run.step(step).mkdir(exist_ok=True)
        save_plain(run.checkpoint(step), content)
        run.forget_states(step)
    barrier()
    return content
