"""Code that the guides show, as files."""

import importlib
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GUIDES = ROOT / "docs/en/advanced_guides"


def blocks(page: str) -> dict[str, str]:
    """The files that a guide shows, by name."""
    text = (GUIDES / page).read_text()
    return dict(re.findall(r"```python\n# (\S+\.py)\n(.*?)```", text, re.DOTALL))


@contextmanager
def shown(page: str, folder: Path, module: str, registered: dict, name: str) -> Iterator[Path]:
    """The files of a guide where a clone's root would be, with its module imported.

    What the module registered is taken away at the end: other tests go through all there is.
    """
    (folder / "configs").symlink_to(ROOT / "configs")
    for file, text in blocks(page).items():
        (folder / file).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        importlib.import_module(module)
        yield folder
    del registered[name], sys.modules[module]
