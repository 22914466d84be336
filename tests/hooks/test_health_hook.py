import json
from types import SimpleNamespace

import pytest
import torch
from mmengine.logging import MessageHub
from torch import nn
from torch.utils.checkpoint import checkpoint

from tests.test_resume import assert_same_run
from vdfd_seg.cli import run_command
from vdfd_seg.errors import InputError
from vdfd_seg.hooks import LossHealthHook
from vdfd_seg.hooks.health_hook import NonFiniteLossError
from vdfd_seg.methods import FineTune

NAN, INF = float("nan"), float("inf")


def runner_of(model, iteration, last=1000, scaler=None):
    """What the hook uses of a Runner, and what it wrote."""
    written, lines = [], []
    return SimpleNamespace(
        model=model,
        iter=iteration,
        max_iters=last,
        optim_wrapper=SimpleNamespace(loss_scaler=scaler),
        visualizer=SimpleNamespace(add_scalars=lambda values, step: written.append((values, step))),
        logger=SimpleNamespace(info=lines.append, warning=lines.append),
        written=written,
        lines=lines,
    )


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.network = nn.Linear(1, 1, bias=False)
        self.network.weight.data.fill_(2.0)
        self.on_terms = None


class TestValues:
    def check(self, iteration, outputs, last=1000, model=None):
        runner = runner_of(model or Model(), iteration, last)
        LossHealthHook(10).after_train_iter(runner, 0, outputs=outputs)

    @pytest.mark.parametrize(
        ("outputs", "named"),
        [
            *(({"loss": x, "a": 1.0, "b": torch.tensor(x)}, "term b") for x in (NAN, INF, -INF)),
            ({"a": torch.tensor(NAN), "loss": NAN, "b": torch.tensor(NAN)}, "terms a, b"),
            # The sum where every term is finite.
            ({"loss": INF, "a": 1.0}, "term loss"),
        ],
    )
    def test_names_the_terms_at_its_interval_and_the_last_iteration(self, outputs, named):
        for iteration, last in ((9, 1000), (19, 1000), (12, 13)):
            words = f"loss {named} became.*iteration {iteration + 1};"
            with pytest.raises(NonFiniteLossError, match=words):
                self.check(iteration, outputs, last)
        self.check(8, outputs)

    def test_finite_losses_pass(self):
        self.check(9, {"loss": torch.tensor(1e30), "a": 0.0})
        self.check(9, None)

    def test_spoilt_weights_are_named_and_how_to_find_the_term(self):
        model = Model()
        model.network.weight.data.fill_(3e38)
        self.check(9, {"loss": 1.0}, model=model)
        model.network.weight.data.fill_(NAN)
        with pytest.raises(NonFiniteLossError, match="'network.weight'.*gradient_interval=1"):
            self.check(9, {"loss": 1.0}, model=model)
        # Every term is NaN by then: the advice is to look before.
        with pytest.raises(NonFiniteLossError, match="a, b became.*gradient_interval=1"):
            self.check(9, {"loss": NAN, "a": NAN, "b": NAN}, model=model)

    @pytest.mark.parametrize("intervals", [(0, 1), (1, -1)])
    def test_intervals_that_make_no_sense_are_refused(self, intervals):
        with pytest.raises(InputError, match="interval="):
            LossHealthHook(*intervals)


class TestGradients:
    def measure(self, terms_of, iteration=0, scaler=None, every=5):
        model = Model()
        runner = runner_of(model, iteration, scaler=scaler)
        hook = LossHealthHook(gradient_interval=every)
        hook.before_train_iter(runner, 0)
        if model.on_terms is not None:
            model.on_terms(terms_of(model.network.weight.sum()))
        return runner

    def test_norms_are_written_at_the_interval_and_the_first_iteration(self):
        def terms(w):
            return {"loss": w, "loss_a": 3 * w, "b.loss_b": w**2}

        expected = {"grad/loss_a": 3.0, "grad/b.loss_b": 4.0}
        for iteration, written in ((0, [(expected, 1)]), (3, []), (4, [(expected, 5)])):
            runner = self.measure(terms, iteration)
            assert runner.written == written
        assert "iteration 5: loss_a 3, b.loss_b 4" in runner.lines[0]
        assert self.measure(terms, 0, every=0).written == []

    @pytest.mark.parametrize(
        ("name", "term", "said"),
        [
            ("loss_root", torch.sqrt, "gradient of the loss term loss_root became"),
            # Before the update.
            ("loss_log", torch.log, "loss term loss_log became"),
        ],
    )
    def test_what_is_not_finite_is_named(self, name, term, said):
        with pytest.raises(NonFiniteLossError, match=said):
            self.measure(lambda w: {"loss": w, "loss_a": w, name: term(w - 2)})

    def test_overflow_of_a_scaled_gradient_is_left_to_the_scaler(self):
        scaler = SimpleNamespace(get_scale=lambda: 1024.0)
        runner = self.measure(
            lambda w: {"loss_half": w.half().square() * 40, "loss_a": w}, scaler=scaler
        )
        assert runner.written == [({"grad/loss_a": 1.0}, 1)]
        assert "loss_half overflows at loss scale 1024" in runner.lines[0]

    def test_layers_that_cannot_be_measured_are_said_so_once(self):
        def terms(w):
            return {"loss_a": checkpoint(torch.sin, w, use_reentrant=True)}

        runner = self.measure(terms)
        assert runner.written == []
        assert "with_cp" in runner.lines[0]


SHORT = {"train_cfg": {"max_iters": 3}, "step_overrides": {}}
VISUALIZER = {"type": "Visualizer", "vis_backends": [{"type": "LocalVisBackend"}]}


@pytest.mark.parametrize(
    "changes",
    [
        {"method": {"type": "PLOP"}, "optim_wrapper.type": "vdfd_seg.DeviceAmpOptimWrapper"},
        {"optim_wrapper.accumulative_counts": 2},
    ],
    ids=["PLOP, mixed precision", "VDFD, accumulated gradients"],
)
def test_a_run_with_it_equals_one_without_to_the_bit(train, changes):
    def run(interval):
        health = None if interval is None else {"gradient_interval": interval}
        changed = {**SHORT, **changes, "default_hooks.loss_health": health}
        return train("--steps", "0:2", config={**changed, "visualizer": VISUALIZER})

    measured = run(1)
    assert_same_run(measured, run(None), step=1)
    (scalars,) = measured.path.glob("step_01/*/vis_data/scalars.json")
    rows = [json.loads(line) for line in scalars.read_text().splitlines()]
    rows = [row for row in rows if any(key.startswith("grad/") for key in row)]
    assert [row["step"] for row in rows] == [1, 2, 3]
    own = "loss_pod" if "method" in changes else "loss_vdfd"
    # The network is where the penalty or the distillation begins, at first.
    assert all(row["grad/decode.loss_ce"] > 0 and row[f"grad/{own}"] >= 0 for row in rows)
    assert rows[-1][f"grad/{own}"] > 0


def test_a_run_stops_at_a_term_with_an_infinite_gradient(config_file, tmp_path, monkeypatch):
    """Where it was missed, the run that continues from the last save finds it."""

    def root_of_zero(self, adapter, outputs, samples):
        iteration = MessageHub.get_current_instance().get_info("iter") + 1
        return {"loss_root": (0 * outputs.logits + (iteration != 5)).sum().sqrt()}

    monkeypatch.setattr(FineTune, "extra_losses", root_of_zero)
    changes = {"train_cfg": {"max_iters": 12}, "save_interval": 2, "method": {"type": "FineTune"}}
    file = config_file({**SHORT, **changes})
    arguments = [str(file), "--work-dir", str(tmp_path / "work")]
    with pytest.raises(NonFiniteLossError, match="iteration 10; .*gradient_interval=1"):
        run_command("train", arguments)
    arguments += ["--resume", "--cfg-options", "default_hooks.loss_health.gradient_interval=1"]
    with pytest.raises(NonFiniteLossError, match="gradient of .* loss_root .* iteration 5, its"):
        run_command("train", arguments)
