"""The linear probe: a softmax regression, and a step evaluated with it."""

import torch

from vdfd_seg.cli import run_guarded


def test_classes_that_a_line_separates_are_separated_whatever_the_scale(tool):
    torch.manual_seed(0)
    labels = torch.arange(600) % 3
    centres = torch.tensor([[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]])
    features = (centres[labels] + 0.3 * torch.randn(600, 2)) * torch.tensor([1e-3, 1e2])
    rows, bias = tool.fitted(features, labels, 3, 300)
    assert ((features @ rows.T + bias).argmax(1) == labels).all()


def test_a_step_with_both_classifiers(tool, train, capsys):
    run = train("--steps", "0:2", config={"train_cfg": {"max_iters": 3}, "examples": 0})
    capsys.readouterr()
    assert run_guarded(tool.main, [str(run.file), str(run.path), "--iterations", "200"]) == 0
    table = capsys.readouterr().out.splitlines()
    own, probed = (
        float(line.split()[-1]) for line in table if line.startswith(("its own", "a linear"))
    )
    # Three iterations teach nothing; a regression over every class's pixels does.
    assert probed > own
