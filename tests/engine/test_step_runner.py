"""The terminal shows once what every step's Runner says of itself; log files have it all."""

import logging

from vdfd_seg.engine import step_runner
from vdfd_seg.engine.step_runner import TerminalFilter

SET_UP = "Hooks will be executed in the following order"


def record(text):
    return logging.LogRecord("mmengine", logging.INFO, "", 0, text, None, None)


def test_only_what_is_known_is_held_back():
    once = TerminalFilter()
    assert [once.filter(record(f"{SET_UP}:\n{n}")) for n in "ab"] == [True, False]
    assert [once.filter(record("Iter(train) [2/3]")) for _ in "ab"] == [True, True]
    assert once.filter(record("Config:\nx = 1"))


def test_run(registered_modules, train, monkeypatch, capfd):
    monkeypatch.setattr(step_runner, "_terminal_filter", TerminalFilter())
    run = train(
        config={
            "method": {"type": "FineTune"},
            "log_level": "INFO",
            "train_cfg": {"max_iters": 1},
            "step_overrides": {},
            "default_hooks.logger.interval": 1,
        }
    )
    shown = "".join(capfd.readouterr())
    for text in (SET_UP, "System environment", "Config:\n"):
        assert shown.count(text) == 1
    assert shown.count("Iter(train) [1/1]") == 3
    for step in range(3):
        (file,) = (run.path / f"step_{step:02d}").rglob("*.log")
        text = file.read_text()
        assert text.count(SET_UP) == text.count("System environment") == 1
        assert text.count("Iter(train) [1/1]") == 1
