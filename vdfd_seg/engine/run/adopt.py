"""Takes a network that was trained elsewhere as step 0 of a sequence."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from vdfd_seg.datasets.data import Sample, subsample
from vdfd_seg.datasets.image_files import check_image_size, find_images
from vdfd_seg.datasets.segmentation.data import one_pass
from vdfd_seg.datasets.segmentation.task_dataset import TaskDataset, kind_of
from vdfd_seg.engine.input.data import open_data
from vdfd_seg.engine.input.settings import Settings
from vdfd_seg.engine.networks import build_network, checked_adapter
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.engine.run.passes import preprocessed
from vdfd_seg.engine.run.sequence import finish_step
from vdfd_seg.engine.run.step import StepTrainer
from vdfd_seg.engine.state.work_dir import WorkDir
from vdfd_seg.errors import InputError
from vdfd_seg.models.growth import classes_first
from vdfd_seg.utils.mmseg_checkpoint import classes_of, load_untrusted, weights_of


@dataclass
class ImageList:
    """Images without masks, as a source of :class:`TaskDataset`."""

    paths: list[Path]

    def get_data_info(self, position: int) -> dict:
        """The record that MMSegmentation's pipelines start from."""
        return {"img_path": str(self.paths[position]), "seg_map_path": None, "label_map": None,
                "reduce_zero_label": False, "seg_fields": []}  # fmt: skip


def adopt(
    settings: Settings, checkpoint: str | Path, images: str | Path, work_dir: str | Path
) -> Path:
    """Write a work dir whose step 0 is a network that mmsegmentation trained.

    What the method carries is estimated from images of the first task, without their labels.
    Nothing is trained or evaluated: ``train --resume`` does that.

    Args:
        settings: The sequence that continues from the network.
        checkpoint: Its ``.pth`` file, read without executing what is in it.
        images: A folder of images of the first task, or one image.
        work_dir: The work dir; must not hold a run.

    Returns:
        The checkpoint of step 0.
    """
    set_up()
    _check_method(settings)
    run = WorkDir(work_dir)
    if run.holds_run:
        raise InputError(
            f"the work dir '{run.path}' already holds a run; give another --work-dir, or delete it."
        )
    state = checked_weights(settings, checkpoint)
    paths = find_images(images)
    for path in paths:
        check_image_size(path)
    data = open_data(settings)
    trainer = StepTrainer(settings, data, 0, run)
    start = {"state_dict": state, "meta": {"model": trainer.config.model}}
    network = trainer.prepare(start).network
    trainer.context.batches = partial(_batches, network, paths, trainer.config.test_dataloader)
    trainer.costs["train_images"] = len(paths)
    run.open(resume=False, overwrite=False)
    finish_step(trainer)
    return run.checkpoint(0)


def checked_weights(settings: Settings, path: str | Path) -> dict[str, Tensor]:
    """The weights of a checkpoint of others, its classifiers' rows in the protocol's order."""
    content = load_untrusted(path)
    state = weights_of(content, path)
    protocol = settings.protocol
    wanted, found = list(protocol.classes_seen(0)), classes_of(content)
    if found is not None and sorted(found) != sorted(wanted):
        raise InputError(
            f"checkpoint '{path}' knows the classes {found}, the protocol's first task is "
            f"{wanted}; name these classes in the first of protocol.tasks."
        )
    if found is None:
        print(f"'{path}' names no classes; its outputs are taken to be {wanted}, in this order.")
    network, _ = build_network(settings.for_step(0).model, protocol.task_sizes(0))
    adapter = checked_adapter(network, protocol)
    if found is not None and found != wanted:
        print(f"'{path}' has the classes {found}; its rows are put into the order {wanted}.")
        order = [found.index(name) for name in wanted]
        for name in adapter.rows:
            if name in state and len(classes_first(state[name])) == len(order):
                state[name] = classes_first(state[name])[order].view_as(state[name])
    try:
        adapter.load(state, len(wanted))
    except InputError as error:
        raise InputError(f"checkpoint '{path}' does not fit the config: {error}") from error
    return state


def _check_method(settings):
    kind, needs = settings.config.method.type, settings.method().requires
    settings.protocol.check_problem("adopt", "segmentation")
    if "own_training" in needs:
        raise InputError(
            f"adopt: method {kind} remembers a task while it trains, so it must train step 0 "
            f"itself; choose another method."
        )
    if "labels" in needs:
        raise InputError(
            f"adopt: method {kind} as configured estimates what it remembers from labels, and "
            f"--images has none."
        )


def _batches(network, paths: list[Path], loader: dict, limit: int | None = None) -> Iterator:
    """One pass over images without masks, as :class:`TaskContext` opens those of a step."""
    steps = [t for t in loader["dataset"]["pipeline"] if kind_of(t["type"]) != "MaskLabels"]
    steps = [
        {"type": "vdfd_seg.BlankLabels"} if kind_of(t["type"]) == "LoadAnnotations" else t
        for t in steps
    ]
    samples = subsample([Sample(i) for i in range(len(paths))], limit)
    found = one_pass(TaskDataset(ImageList(paths), samples, steps, {}), loader)
    return preprocessed(network, found)
