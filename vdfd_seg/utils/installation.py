"""What is installed next to this package: conflicts and missing parts, told clearly."""

import contextlib
import importlib
import io
import re
import sys
import warnings
from collections.abc import Iterator
from importlib import metadata
from types import ModuleType

from vdfd_seg.errors import InputError
from vdfd_seg.utils.garbage import collections_off

# The maintained forks carry the import names of the originals, so pip sees no conflict
# and whichever is installed last overwrites files of the other.
FORKS = {
    "onedl-mmengine": ("mmengine", "mmengine-lite"),
    "onedl-mmcv": ("mmcv", "mmcv-lite", "mmcv-full"),
    "onedl-mmsegmentation": ("mmsegmentation",),
}


# The modules of the required dependencies, to tell "not installed" from a defect.
_REQUIRED = {
    "cv2", "filelock", "jinja2", "matplotlib", "mmcv", "mmengine", "mmseg", "numpy", "PIL",
    "rich", "scipy", "sklearn", "torch", "torch_geometric", "tqdm", "yaml",
}  # fmt: skip

# What opencv-python's Linux wheel loads from the system (see tools/check_system.sh).
_SYSTEM_LIBRARY = re.compile(r"lib(GL|glib-2\.0|gthread-2\.0|xcb)\.so")


def _installed(distribution: str) -> bool:
    return any(metadata.Distribution.discover(name=distribution))


def check_distributions() -> None:
    """Refuse an environment that holds both a fork and its original."""
    found = {fork: list(filter(_installed, names)) for fork, names in FORKS.items()}
    clashes = {fork: names for fork, names in found.items() if names and _installed(fork)}
    if not clashes:
        return
    pairs = ", ".join(f"{' and '.join(found)} next to {fork}" for fork, found in clashes.items())
    both = " ".join(f"{fork} {' '.join(found)}" for fork, found in clashes.items())
    raise InputError(
        f"this environment holds {pairs}. They install the same modules and have "
        "overwritten each other's files. Remove both, then install the fork again: "
        f"pip uninstall -y {both} && pip install {' '.join(clashes)}"
    )


def explain_import_error(error: ImportError) -> str | None:
    """What to do about an import that failed; None where the installation is not at fault."""
    if isinstance(error, ModuleNotFoundError) and error.name in _REQUIRED:
        return (
            f"the module '{error.name}' is not installed for {sys.executable}. "
            "Install vdfd_seg with its dependencies (pip install . in the repository), "
            "or use the interpreter of the environment that `make venv` makes."
        )
    if not _SYSTEM_LIBRARY.search(str(error)):
        return None
    return (
        f"a shared library that opencv-python needs is not installed ({error}). "
        "On Debian and Ubuntu, as root: apt-get install libgl1 libglib2.0-0; "
        "on Fedora: dnf install libglvnd-glx glib2 libxcb."
    )


@contextlib.contextmanager
def quiet_imports() -> Iterator[None]:
    """Import the OpenMMLab stack without its notices of optional parts that are absent.

    Later ones, of what configs set on purpose or nobody here can change, are not shown either.
    Garbage is not collected meanwhile: an import leaves hardly any, and looking for it would be a
    fifth of the time.
    """
    for notice in (
        "Fail to import ``MultiScaleDeformable", "For binary segmentation, we suggest",
        "Default ``avg_non_ignore`` is False", "torch.meshgrid: in an upcoming release",
    ):  # fmt: skip
        warnings.filterwarnings("ignore", message=f"\\s*{notice}")
    with contextlib.redirect_stdout(io.StringIO()), collections_off():
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
