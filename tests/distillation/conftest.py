"""Where the reference vectors lie, if they lie anywhere."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch


def _shared() -> Path:
    given = os.environ.get("VDFD_SEG_SHARED")
    return Path(given) if given else Path(__file__).resolve().parents[3] / "shared"


@pytest.fixture(scope="module", params=["a", "b"])
def reference(request) -> dict[str, torch.Tensor]:
    """Numbers computed with the released task-incremental code."""
    path = _shared() / "reference" / f"vdfd_reference_{request.param}.npz"
    if not path.is_file():
        pytest.skip(f"REFERENCE NOT CHECKED: {path} is missing (set VDFD_SEG_SHARED)")
    with np.load(path) as file:
        return {name: torch.from_numpy(np.asarray(file[name])) for name in file.files}
