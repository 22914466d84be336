"""Drift of old outputs: the first-order prediction, and a whole run."""

import pytest
import torch
from torch import nn

from tests.tiny import tiny_classifier_config, write_config
from vdfd_seg.datasets import write_digits
from vdfd_seg.distillation import MeanGradientEstimator, penalisable_parameters


def test_prediction_is_exact_where_outputs_are_linear_and_kernels_have_one_entry(tool):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 5, 1), nn.Flatten(), nn.LazyLinear(3)).double()
    images = torch.randn(7, 1, 2, 2, dtype=torch.float64)
    network(images)
    params = penalisable_parameters(network, exclude=["2"])
    with MeanGradientEstimator(network, params, range(3)) as estimator:
        estimator.update(network, images)
    memory = estimator.compute(rank=3)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    old = network(images).mean(0)
    with torch.no_grad():
        for parameter in params.values():
            parameter += torch.randn_like(parameter)
    real = network(images).mean(0) - old
    predicted = tool.predicted_change(memory, before, network.state_dict())
    assert torch.allclose(predicted, real, rtol=1e-5)


def test_shares_of_a_run(tool, train, tmp_path, capsys):
    digits = write_digits(tmp_path / "digits")
    config = tiny_classifier_config(digits, {"type": "VDFD", "weight": 1.0})
    run = train(file=write_config(tmp_path / "tiny.py", config))
    rows = tool.measure(str(run.file), run.path)
    matrix = run.results["matrix"]
    for task, row in enumerate(rows):
        assert row["accuracy then"] == pytest.approx(matrix[task][task])
        assert row["now"] == pytest.approx(matrix[2][task])
        assert 0 < row["share of the mean"] < 1
        assert 0 < row["share of a common shift"] < 1
        assert -1 <= row["cosine"] <= 1
    capsys.readouterr()
    assert tool.main([str(run.file), str(run.path)]) == 0
    header, _, line = capsys.readouterr().out.strip().splitlines()
    assert len(header.split("|")) == len(line.split("|"))
