"""A predictor from a step's checkpoint, whatever its problem."""

import sys
from pathlib import Path

from mmengine.registry import Registry
from mmseg import registry as mmseg_registry

from vdfd_seg.engine.input.config_file import import_module
from vdfd_seg.engine.networks import finished_network
from vdfd_seg.engine.run.environment import set_up
from vdfd_seg.errors import InputError, warn
from vdfd_seg.inference.classes import ClassPredictor
from vdfd_seg.inference.masks import Predictor
from vdfd_seg.methods import Method, build_method
from vdfd_seg.methods.finetune import FineTune
from vdfd_seg.models import ContinualLearner, adapter_of
from vdfd_seg.models.classifier import ROTATIONS
from vdfd_seg.registry import METHODS
from vdfd_seg.utils.checkpoint import load_step
from vdfd_seg.utils.nested import types_in
from vdfd_seg.utils.paths import find_checkpoints

_REGISTRIES = [METHODS, *(r for r in vars(mmseg_registry).values() if isinstance(r, Registry))]


def load_predictor(
    checkpoint: str | Path, step: int | None = None, task: int | None = None
) -> Predictor | ClassPredictor:
    """The predictor of a step's checkpoint; no config and no data are needed.

    Args:
        checkpoint: The file, or a work dir.
        step: Of a work dir, this step; default its last.
        task: Of a classifier, the images' task, from 0, whose classes alone compete. Default
            None: the classes of all tasks seen.

    Returns:
        A :class:`~vdfd_seg.inference.Predictor` (segmentation) or a
        :class:`~vdfd_seg.inference.ClassPredictor` (classification), on the GPU if there is one.

    Raises:
        InputError: For a file that is no step's checkpoint or is damaged, or a step or task that
            there is not.
    """
    checkpoint = Path(checkpoint)
    if checkpoint.is_dir() or step is not None:
        (checkpoint,) = find_checkpoints(checkpoint, step)
    set_up()
    saved = load_step(checkpoint)
    import_modules(saved, checkpoint)
    meta = saved["meta"]
    sizes = head_sizes(saved)
    classifies = meta.get("problem") == "classification"
    if task is not None and not classifies:
        raise InputError(
            f"checkpoint '{checkpoint}' segments; a task can only be given to a classifier's."
        )
    if task is not None and not 0 <= task < len(sizes):
        raise InputError(
            f"checkpoint '{checkpoint}' has no task {task}; it has seen 0 to {len(sizes) - 1}."
        )
    network = finished_network(meta["model"], sizes, saved["state_dict"])
    adapter = adapter_of(network, "class" if task is None else "task")
    learner = ContinualLearner(network, _method(saved), adapter).eval()
    return ClassPredictor(learner, meta, task) if classifies else Predictor(learner, meta)


def import_modules(saved: dict, checkpoint: str | Path) -> None:
    """Import the modules of the run's ``custom_imports``, by name, where something of them is used.

    Nothing in the checkpoint is executed, but it chooses which modules on Python's path are.
    """
    meta, names = saved["meta"], saved["meta"].get("imports", [])
    method = {"type": saved["method"]["type"]}
    own = own_types([meta["model"], meta["test_pipeline"], method], names)
    for name in names if own else []:
        if name in sys.modules:
            continue
        warn(f"importing the module '{name}', which checkpoint '{checkpoint}' names")
        import_module(name, f"checkpoint '{checkpoint}' needs '{own[0]}' from custom_imports")


def own_types(config, modules: list[str]) -> list[str]:
    """Names of the types in a config that are not registered, or by these modules."""

    def own(kind):
        found = next((hit for r in _REGISTRIES if (hit := r.get(kind))), None)
        place = f"{getattr(found, '__module__', '')}."
        return found is None or any(place.startswith(f"{name}.") for name in modules)

    return sorted(set(filter(own, types_in(config))))


def head_sizes(saved: dict) -> list[int]:
    """Number of classes of each head of a checkpoint's network; a segmentor counts as one head."""
    meta, state = saved["meta"], saved["state_dict"]
    heads = sum(name.startswith("heads.") for name in state)
    rows = ROTATIONS if meta["model"].get("rotations") else 1
    sizes = [len(state[f"heads.{task}.weight"]) // rows for task in range(heads)]
    return sizes or [len(meta["dataset_meta"]["classes"])]


def predicts_otherwise(saved: dict) -> bool:
    """Whether a checkpoint's method does not predict what its network alone does (iCaRL)."""
    if "gaussians" in saved["method"]["state"]:
        return True
    kind = METHODS.get(str(saved["method"]["type"]))
    return kind is not None and kind.predict is not Method.predict


def _method(saved: dict) -> Method:
    """The method, where it predicts otherwise than its network does; else one that does not."""
    if not predicts_otherwise(saved):
        return FineTune()
    state = saved["method"]["state"]
    gaussians = state.get("gaussians", {}).get("weight", 0.0)
    method = build_method({"type": saved["method"]["type"], "gaussians": gaussians})
    method.restore(state)
    return method
