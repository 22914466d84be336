"""Registries: children of MMEngine's, so configs reach ours as ``vdfd_seg.X``.

The default scope of a config stays ``mmseg``: names nested inside
mmsegmentation's own defaults do not resolve from a sibling scope.
"""

from mmengine.registry import DATASETS as MMENGINE_DATASETS
from mmengine.registry import FUNCTIONS as MMENGINE_FUNCTIONS
from mmengine.registry import HOOKS as MMENGINE_HOOKS
from mmengine.registry import MODELS as MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPERS as MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import TRANSFORMS as MMENGINE_TRANSFORMS
from mmengine.registry import Registry


def _child(kind: str, parent: Registry | None, location: str) -> Registry:
    return Registry(kind, parent=parent, scope="vdfd_seg", locations=[f"vdfd_seg.{location}"])


DATASETS = _child("dataset", MMENGINE_DATASETS, "datasets")
TRANSFORMS = _child("transform", MMENGINE_TRANSFORMS, "datasets")
FUNCTIONS = _child("function", MMENGINE_FUNCTIONS, "datasets")
MODELS = _child("model", MMENGINE_MODELS, "models")
HOOKS = _child("hook", MMENGINE_HOOKS, "hooks")
OPTIM_WRAPPERS = _child("optimizer wrapper", MMENGINE_OPTIM_WRAPPERS, "engine")
METHODS = Registry("continual-learning method", scope="vdfd_seg", locations=["vdfd_seg.methods"])
