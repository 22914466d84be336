"""The tutorial's cells run in order, few iterations each, and print what the page shows."""

import contextlib
import io
import json
import re
from types import SimpleNamespace

import matplotlib
import pytest
import torch

from tests.documented import ROOT
from vdfd_seg.registry import METHODS

PAGE = ROOT / "docs/en/tutorial.md"
CELLS = re.findall(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE.read_text(), re.M | re.S
)
"""The code of every cell, and what the page shows of what it prints."""


@pytest.fixture(scope="module")
def ran(stack, tmp_path_factory):
    """What the cells define after all of them ran, and what each printed."""
    known, printed = {}, []
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("tutorial"))
        patch.setenv("TUTORIAL_QUICK", "1")
        matplotlib.use("Agg")
        for number, (code, _) in enumerate(CELLS):
            with contextlib.redirect_stdout(io.StringIO()) as text:
                exec(compile(code, f"{PAGE.name}, cell {number}", "exec"), known)
            printed.append(text.getvalue())
        yield known, printed
    del METHODS.module_dict["StayClose"]


def test_three_methods_train_from_the_same_step_0(ran):
    results = ran[0]["results"]
    assert list(results) == ["finetune", "vdfd-plus", "stay-close"]
    matrices = [found["matrix"] for found in results.values()]
    assert matrices[0][0] == matrices[1][0] == matrices[2][0]
    for found in results.values():
        assert [len(step["classes_seen"]) for step in found["steps"]] == [5, 8, 11]
    last = [found["steps"][-1] for found in results.values()]
    held = [step["held_bytes"] for step in last]
    assert held[0] == 0 < held[1] and held[2] == 4 * last[2]["parameters"]


def test_what_does_not_depend_on_training_is_printed_as_shown(ran):
    """But for the numbers of images, of which this test has few."""
    first = next(i for i, (code, _) in enumerate(CELLS) if "train_sequence(" in code)
    shown = [(text, printed) for (_, text), printed in zip(CELLS[:first], ran[1]) if text]
    assert len(shown) == 3
    for text, printed in shown:
        assert re.sub(r"\d+ of \d+", "N of N", printed) == re.sub(r"\d+ of \d+", "N of N", text)


def test_the_method_of_ten_lines_costs_what_its_formula_says(ran):
    (code,) = (code for code, _ in CELLS if "register_module(" in code)
    assert len([line for line in code.partition("@")[2].splitlines() if line]) == 10
    method, network = ran[0]["StayClose"](), torch.nn.Linear(3, 2)
    adapter = SimpleNamespace(network=network)
    method.before_task(SimpleNamespace(adapter=adapter))
    with torch.no_grad():
        network.bias += 2
    (loss,) = method.extra_losses(adapter, None, None).values()
    assert float(loss.detach()) == pytest.approx(0.1 * 2 * 2**2)


def test_the_notebook_has_the_same_code():
    notebook = json.loads(PAGE.with_suffix(".ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert ["".join(cell["source"]) + "\n" for cell in cells] == [code for code, _ in CELLS]
    outputs = ["".join(out["text"]) for cell in cells for out in cell["outputs"]]
    assert outputs == [text.rstrip("\n") for _, text in CELLS if text]
