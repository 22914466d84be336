"""MMEngine's visualizer backends get what every step logs."""

from collections import defaultdict

import pytest

from tests.tiny import changed, tiny_config, write_config
from vdfd_seg.cli import run_command


@pytest.fixture(scope="module")
def scalars(scenes, tmp_path_factory):
    """Train three short steps; for each the iterations of every curve."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    root = tmp_path_factory.mktemp("tensorboard")
    config = changed(
        tiny_config(scenes),
        {
            "visualizer": dict(
                type="Visualizer", vis_backends=[dict(type="TensorboardVisBackend")]
            ),
            "train_cfg.max_iters": 4,
            "step_overrides": {},
            "default_hooks": dict(
                logger=dict(type="LoggerHook", interval=1),
                loss_health=dict(gradient_interval=2),
            ),
        },
    )
    path = write_config(root / "vdfd_tiny.py", config)
    assert run_command("train", [str(path), "--work-dir", str(root / "run")]) == 0
    steps = []
    for step in range(3):
        curves = defaultdict(list)
        files = list((root / "run" / f"step_{step:02d}").rglob("events.out.tfevents.*"))
        assert files, f"step {step} wrote no event file"
        for file in files:
            for event in EventFileLoader(str(file)).Load():
                for value in event.summary.value:
                    curves[value.tag].append(event.step)
        steps.append(curves)
    return steps


@pytest.mark.parametrize("step", range(3))
def test_tensorboard_has_every_iteration_of_every_loss_term_and_of_gradient_norms(scalars, step):
    terms = {"decode.loss_ce"} | ({"loss_vdfd"} if step else set())
    expected = {name: [1, 2, 3, 4] for name in ("loss", *terms)}
    expected |= {f"grad/{name}": [1, 2, 4] for name in terms}
    found = {name: at for name, at in scalars[step].items() if "loss" in name}
    assert found == expected
