"""MMEngine's Runner: what the terminal is spared of, and when the workers end."""

import gc
import multiprocessing

from vdfd_seg.engine.run import sequence

HIDDEN = (
    "Hooks will be executed in the following order", "paramwise_options -- ", "Config:\n",
    "Distributed training is not used", "Exp name: ", "System environment", "seed: 41",
)  # fmt: skip


def test_the_terminal_is_spared_what_log_files_have(registered_modules, train, capfd):
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
    assert shown.count("Iter(train) [1/1]") == 3
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


def test_workers_end_with_the_training(train, monkeypatch):
    """Garbage collection would wait five seconds for each."""
    left, finish = [], sequence.finish_step

    def counted(trainer):
        left.append(len(multiprocessing.active_children()))
        return finish(trainer)

    monkeypatch.setattr(sequence, "finish_step", counted)
    gc.disable()
    try:
        changes = {"train_cfg": {"max_iters": 2}, "train_dataloader.num_workers": 2}
        train("--steps", "0", config={"method": {"type": "FineTune"}, **changes})
    finally:
        gc.enable()
    assert left == [0]
