"""MMEngine's visualizer backends get what every step logs."""

from collections import defaultdict

import pytest

from tests.tiny import changed, tiny_config, write_config
from vdfd_seg.cli import run_command

ITERATIONS = 4


@pytest.fixture(scope="module")
def scalars(scenes, tmp_path_factory):
    """Train three short steps; for each the curves, name to (iteration, value) pairs."""
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    root = tmp_path_factory.mktemp("tensorboard")
    config = changed(
        tiny_config(scenes),
        {
            "visualizer": dict(
                type="Visualizer", vis_backends=[dict(type="TensorboardVisBackend")]
            ),
            "train_cfg.max_iters": ITERATIONS,
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
                    curves[value.tag].append((event.step, value))
        steps.append(curves)
    return steps


@pytest.mark.parametrize("step", range(3))
def test_tensorboard_has_every_iteration_of_every_loss_term(scalars, step):
    curves = scalars[step]
    terms = {"loss", "decode.loss_ce"} | ({"loss_vdfd"} if step else set())
    for name in terms:
        assert [at for at, _ in curves[name]] == list(range(1, ITERATIONS + 1)), name
    assert ("loss_vdfd" in curves) == (step > 0)


@pytest.mark.parametrize("step", range(3))
def test_tensorboard_has_the_gradient_norm_of_every_term(scalars, step):
    curves = scalars[step]
    expected = {"grad/decode.loss_ce"} | ({"grad/loss_vdfd"} if step else set())
    assert {name for name in curves if name.startswith("grad/")} == expected
    for name in expected:
        assert [at for at, _ in curves[name]] == [1, 2, 4]
