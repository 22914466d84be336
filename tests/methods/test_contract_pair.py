"""Two processes (gloo) get from every registered method what one gets from the whole batch."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.methods.test_contract import CASES
from tests.python_process import ROOT, one_thread_environment

PAIR = Path(__file__).with_name("pair.py")


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory):
    """A folder with every method's loss, gradients and carried tensors, by process."""
    folder = tmp_path_factory.mktemp("pair")
    started = []
    for extra in ({}, {"RANK": "0"}, {"RANK": "1"}):
        command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", str(PAIR)]
        environment = {**one_thread_environment(), **extra, "PAIR_FOLDER": str(folder)}
        started.append(
            subprocess.Popen(
                command, cwd=ROOT, env=environment, text=True,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            )
        )  # fmt: skip
    try:
        for process in started:
            output, _ = process.communicate(timeout=300)
            assert process.returncode == 0, output[-4000:]
    finally:
        for process in started:
            process.kill()
    return folder


@pytest.mark.parametrize(("name", "case"), CASES)
def test_two_processes_equal_one(outcomes, name, case):
    def outcome(rank, world):
        return torch.load(outcomes / f"{name}_{case}_{rank}_{world}.pth", weights_only=True)

    one, pair = outcome(0, 1), [outcome(rank, 2) for rank in range(2)]
    # A mean over equal shares is the mean of their means.
    close(torch.stack([each["loss"] for each in pair]).mean(), one["loss"])
    for each in pair:
        assert each["gradients"].keys() == one["gradients"].keys()
        for key, gradient in one["gradients"].items():
            close(each["gradients"][key], gradient)
        for found, expected in zip(each["carried"], one["carried"], strict=True):
            # Singular vectors are unique but for their sign.
            close(found.abs(), expected.abs())


def close(found, expected):
    scale = expected.double().norm().clamp(min=1e-5)
    assert (found.double() - expected.double()).norm() <= 1e-3 * scale
