"""A row a run: the picture holds what each run wrote, in the classes' colours."""

import numpy as np
import pytest
from PIL import Image

from tests.visualization.conftest import make_run
from vdfd_seg.errors import InputError
from vdfd_seg.evaluation import read_runs
from vdfd_seg.protocols.voc import default_palette
from vdfd_seg.visualization import colourise, write_montage
from vdfd_seg.visualization.overlay import caption


def test_each_cell_is_the_mask_of_its_run_and_step(tmp_path):
    runs = read_runs([make_run(tmp_path, name, 0.5) for name in ("a", "much longer")])
    picture = np.array(Image.open(write_montage(runs, tmp_path / "montage.png", images=2)))
    left, size, gap = max(caption(run.name).shape[1] for run in runs), 128, 8
    # Two lines above the pictures: the step, and the task it learned, which may be wider.
    columns = [
        size,
        size,
        *(max(size, caption(f"+ {name}").shape[1]) for name in runs[0].task_names),
    ]
    top = 2 * caption("image").shape[0] + gap
    for row, (image, run) in enumerate((i, r) for i in range(2) for r in runs):
        for step in range(3):
            file = run.step_dir(step) / f"predictions/im{image}.png"
            mask = Image.fromarray(colourise(np.array(Image.open(file)), default_palette(7)))
            x = left + gap + sum(width + gap for width in columns[: 2 + step])
            y = top + row * (size + gap)
            expected = mask.resize((size, size), Image.Resampling.NEAREST)
            np.testing.assert_array_equal(picture[y : y + size, x : x + size], expected)


def test_runs_without_examples_are_refused(tmp_path):
    (run,) = read_runs([make_run(tmp_path, "a", 0.5)])
    for file in (run.work_dir / "samples").iterdir():
        file.unlink()
    with pytest.raises(InputError, match="samples"):
        write_montage([run], tmp_path / "montage.png")
