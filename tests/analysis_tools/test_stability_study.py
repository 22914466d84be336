"""The stability study runs, reports what its page shows, and shrinks steps as it says."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

TOOLS = Path(__file__).parents[2] / "tools" / "analysis_tools"
TINY = ["--tasks", "2", "--classes", "4", "--depths", "1", "1", "--widths", "16", "32"]
TINY += ["--epochs", "1", "--seeds", "0"]


@pytest.fixture
def study(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import stability_study

    return stability_study


def test_every_part_runs_and_reports(study, capsys, tmp_path):
    files = ["--json", str(tmp_path / "all.json"), "--plot", str(tmp_path / "curves.png")]
    assert study.main([*TINY, "--lambdas", "1e4", "inf", "--scales", "1", "0.1", *files]) == 0
    first, _, second = capsys.readouterr().out.partition("\n\n")
    lines = first.splitlines()
    assert lines[0].split("|")[2:-1] == [f" {column} " for column in study.COLUMNS]
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in lines[2:]}
    assert len(rows) == 2 + 2 + 2 + 4 + 4 + 2
    accuracy, _, _, shrink, edge, peak, _ = rows["gradient, λ = 10000, real"]
    assert 0 <= float(accuracy) <= 100 and float(edge) > 0 and float(peak) > 0
    assert 0 < float(shrink) < 0.5
    assert rows["replay, λ = 10000, real"][3] == shrink
    assert second.startswith("| | memory | whole | held | true |")
    assert (tmp_path / "curves.png").stat().st_size > 1000
    results = json.loads((tmp_path / "all.json").read_text())["results"]
    assert results["proximal, λ = inf, real"][0]["memory"] < 1e-4
    assert results["proximal-adam, λ = inf, random"][0]["burst"] < 1e-3


def test_other_images_and_divergence(study, capsys, tmp_path):
    generator = np.random.default_rng(0)
    for split in ("train", "test"):
        labels = np.arange(4).repeat(8)
        np.save(tmp_path / f"{split}_labels.npy", labels)
        pixels = generator.integers(0, 256, (len(labels), 8, 8, 3)).astype(np.uint8)
        np.save(tmp_path / f"{split}_images.npy", pixels)
    arguments = ["--data", str(tmp_path), "--batch", "4", "--epochs", "6", "--lambdas", "1e9"]
    assert study.main([*TINY, *arguments, "--parts", "decoupled", "--directions", "real"]) == 0
    assert "diverged (1 of 1)" in capsys.readouterr().out


def test_flat_adam_is_adam(study):
    import stability_learner

    weight = torch.nn.Parameter(torch.tensor([[1.0, -2.0], [0.5, 3.0]]))
    bias = torch.nn.Parameter(torch.tensor([0.1]))
    flat = stability_learner.FlatAdam({"weight": weight, "bias": bias})
    copies = [torch.nn.Parameter(each.detach().clone()) for each in (weight, bias)]
    adam = torch.optim.Adam(copies, lr=0.1)
    for scale in (1.0, -3.0, 0.2):
        value = scale * (weight.sin().sum() * bias.sum())
        flat.step(0.1, flat.gradient(value))
        adam.zero_grad()
        (scale * (copies[0].sin().sum() * copies[1].sum())).backward()
        adam.step()
    torch.testing.assert_close(weight.detach(), copies[0].detach())
    torch.testing.assert_close(bias.detach(), copies[1].detach())
