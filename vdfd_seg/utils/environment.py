"""What is installed next to this package: conflicts and missing parts, told clearly."""

import contextlib
import importlib
import io
import sys
import warnings
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType

from vdfd_seg.errors import InputError

# The maintained forks carry the import names of the originals, so pip sees no conflict
# and whichever is installed last overwrites files of the other.
FORKS = {
    "onedl-mmengine": ("mmengine", "mmengine-lite"),
    "onedl-mmcv": ("mmcv", "mmcv-lite", "mmcv-full"),
    "onedl-mmsegmentation": ("mmsegmentation",),
}


def _installed(distribution: str) -> bool:
    try:
        metadata.distribution(distribution)
    except metadata.PackageNotFoundError:
        return False
    return True


def check_distributions() -> None:
    """Refuse an environment that holds both a fork and its original."""
    clashes = {}
    for fork, originals in FORKS.items():
        found = [original for original in originals if _installed(original)]
        if found and _installed(fork):
            clashes[fork] = found
    if not clashes:
        return
    pairs = ", ".join(f"{' and '.join(found)} next to {fork}" for fork, found in clashes.items())
    both = " ".join(f"{fork} {' '.join(found)}" for fork, found in clashes.items())
    raise InputError(
        f"this environment holds {pairs}. They install the same modules and have "
        "overwritten each other's files. Remove both, then install the fork again: "
        f"pip uninstall -y {both} && pip install {' '.join(clashes)}"
    )


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import the OpenMMLab stack without its notices of optional parts that are absent.

    Later ones, of what configs set on purpose or nobody here can change, are not shown either.
    """
    for notice in (
        "Fail to import ``MultiScaleDeformable", "For binary segmentation, we suggest",
        "Default ``avg_non_ignore`` is False", "torch.meshgrid: in an upcoming release",
    ):  # fmt: skip
        warnings.filterwarnings("ignore", message=f"\\s*{notice}")
    with contextlib.redirect_stdout(io.StringIO()):
        yield


def optional_module(name: str, extra: str) -> ModuleType:
    """A module that only some uses need and that an extra of this package brings."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name != name:
            raise
        raise InputError(
            f"this needs the module '{name}', which is not installed for {sys.executable}: "
            f"pip install 'vdfd_seg[{extra}]' (in a clone: pip install '.[{extra}]')."
        ) from error
