import itertools
import shutil

import pytest

from tests.bad_input.damage import (
    assert_says,
    flip,
    foreign,
    of_no_step,
    other_method,
    other_protocol,
)


def test_work_dir_with_results(refused, copied):
    run, file = copied
    before = (run / "step_00" / "checkpoint.pth").stat().st_mtime_ns
    message = refused("train", file, "--work-dir", run)
    assert_says(message, str(run), "already holds a run", "--resume", "--overwrite")
    assert (run / "step_00" / "checkpoint.pth").stat().st_mtime_ns == before


CHECKPOINTS = {
    foreign: ("was not written by vdfd_seg",),
    other_protocol: (
        "belongs to protocol 'tiny'",
        "0123456789abcdef",
        "setting was 'disjoint', now",
    ),
    other_method: ("method VDFD", "FineTune"),
    of_no_step: ("not a step's checkpoint", "meta"),
}


# `train --resume` continues from the last file that is not damaged: engine/test_recovery.py.
@pytest.mark.parametrize(
    "command, damage",
    [*itertools.product(("train", "test"), CHECKPOINTS), ("test", flip)],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_checkpoint(refused, copied, command, damage):
    run, file = copied
    path = run / "step_01" / "checkpoint.pth"
    damage(path)
    # Step 2 is to be done, so that the damaged checkpoint would be needed.
    shutil.rmtree(run / "step_02")
    if command == "train":
        message = refused("train", file, "--work-dir", run, "--resume")
    else:
        message = refused("test", file, run, "--all-steps")
    assert_says(message, str(path), *CHECKPOINTS.get(damage, ("is damaged",)))


OTHER = {
    "protocol.tasks": (
        [["background", "red", "green"], ["gold", "blue"], ["pink", "cyan"]],
        "fingerprint", "tasks[0].classes[1] was 'green', now 'red'",
    ),
    "protocol.setting": ("disjoint", "fingerprint", "setting was 'overlap', now 'disjoint'"),
    "method": ({"type": "LwF"}, "method", "FineTune", "LwF"),
    "model.decode_head.channels": (16, "model.decode_head.channels was 32, now 16"),
    "optim_wrapper.optimizer.lr": (0.5, "optim_wrapper.optimizer.lr was 0.01, now 0.5"),
    "seed": (7, "seed was 3, now 7"),
}  # fmt: skip
"""A key of the config that another run of it has otherwise, and the words that say so."""
EVALUATION = ("protocol.tasks", "protocol.setting", "method", "model.decode_head.channels")


@pytest.mark.parametrize(
    ("command", "key"), [*(("train", key) for key in OTHER), *(("test", key) for key in EVALUATION)]
)
def test_what_differs_is_named_with_both_values(refused, copied, config_file, command, key):
    run, _ = copied
    value, *words = OTHER[key]
    file = config_file({"method": {"type": "FineTune"}, key: value})
    arguments = ["--work-dir", run, "--resume"] if command == "train" else [run]
    assert_says(refused(command, file, *arguments), *words)


def test_another_seed_is_named_where_the_results_are_gone(refused, copied):
    run, file = copied
    (run / "results.json").unlink()
    message = refused("train", file, "--work-dir", run, "--resume", "--seed", 7)
    assert_says(message, str(run / "step_00" / "checkpoint.pth"), "seed was 3, now 7")


STARTS = {
    "of another step": ({}, 1, "step was 1, now 0"),
    "of other classes": (
        {"protocol.tasks": [["background", "red"], ["green"]]}, 0, "classes was ['background', ",
    ),
    "of another network": (
        {"model.decode_head.channels": 16}, 0, "model.decode_head.channels was 32, now 16",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", STARTS)
def test_start(refused, finetune_run, config_file, tmp_path, case):
    changes, step, words = STARTS[case]
    start = finetune_run.path / f"step_{step:02d}" / "checkpoint.pth"
    arguments = ("--work-dir", tmp_path / "work", "--init-from", start)
    assert_says(refused("train", config_file(changes), *arguments), words)
    assert not list(tmp_path.rglob("checkpoint.pth"))
