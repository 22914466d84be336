"""The terminal is spared what every step's Runner says of itself; log files have it all."""

from vdfd_seg.engine.run import step_runner
from vdfd_seg.engine.run.step_runner import TerminalFilter

HIDDEN = (
    "Hooks will be executed in the following order", "paramwise_options -- ", "Config:\n",
    "Distributed training is not used", "Exp name: ",
)  # fmt: skip


def test_run(registered_modules, train, monkeypatch, capfd):
    monkeypatch.setattr(step_runner, "_terminal_filter", TerminalFilter())
    run = train(
        "--seed", 41,
        config={
            "method": {"type": "FineTune"},
            "log_level": "INFO",
            "train_cfg": {"max_iters": 1},
            "step_overrides": {},
            "default_hooks.logger.interval": 1,
            "optim_wrapper.paramwise_cfg": {"custom_keys": {"decode_head": {"lr_mult": 10.0}}},
        },
    )  # fmt: skip
    shown = "".join(capfd.readouterr())
    assert not [text for text in (*HIDDEN, "OneDL") if text in shown]
    assert shown.count("System environment") == 1
    assert shown.count("Iter(train) [1/1]") == 3
    assert shown.count("seed: 41\n") == 1
    for step in range(3):
        folder = run.path / f"step_{step:02d}"
        (file,) = folder.rglob("*.log")
        text = file.read_text()
        # Exactly the run's config, with the seed of the command line.
        assert (run.path / "tiny.py").read_text() in text
        assert text.count("System environment") == text.count("Iter(train) [1/1]") == 1
        assert text.count("seed: 41\n") == text.count("seed = 41\n") == 1
        assert "random_seed" not in text
        assert "paramwise_options -- decode_head" in text
        # MMEngine's own file of what the Runner was given of the config.
        assert not list(folder.rglob("*.py"))
