"""Layers that a later step freezes: they do not move, and what is remembered of them stays."""

import pytest
import torch

SHORT = {"train_cfg": {"max_iters": 2}, "save_interval": 9, "model.backbone.norm_eval": True}
FREEZE = {"model": {"backbone": {"frozen_stages": 2}}}
METHODS = ("FineTune", "EWC", "MAS", "SI", "LwF", "LwFMC", "ILT", "MiB", "PLOP", "RCIL", "VDFD",
           "VDFDPlus")  # fmt: skip
FROZEN = ("backbone.conv1", "backbone.bn1", "backbone.layer1", "backbone.layer2")


@pytest.fixture(scope="module")
def weights(train):
    """The method's state and the network after each step of a run that freezes in step 1."""

    def run(method, steps="1"):
        changes = {"method": method, "step_overrides": {steps: FREEZE}}
        path = train(config={**SHORT, **changes}).path
        return [
            torch.load(path / f"step_{step:02d}" / "checkpoint.pth", weights_only=True)
            for step in range(3)
        ]

    return run


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_trains_on(weights, kind):
    """Frozen in step 1, trained again in step 2."""
    zero, one, two = (saved["state_dict"] for saved in weights({"type": kind}))
    moving = [k for k in zero if k.startswith("backbone") and k.endswith("weight")]
    frozen = [k for k in moving if k.startswith(FROZEN)]
    assert frozen and all(torch.equal(zero[k], one[k]) for k in frozen)
    assert not all(torch.equal(zero[k], one[k]) for k in moving)
    assert not all(torch.equal(one[k], two[k]) for k in frozen)


@pytest.mark.parametrize("kind", ["EWC", "MAS", "SI", "RCIL"])
def test_what_is_remembered_of_a_frozen_layer_stays(weights, kind):
    states = [saved["method"]["state"] for saved in weights({"type": kind}, "1:")]
    parts = [state["branches" if kind == "RCIL" else "importance"] for state in states]
    assert parts[0].keys() <= parts[1].keys() == parts[2].keys()
    frozen = [name for name in parts[0] if name.startswith(FROZEN)]
    assert frozen
    if kind in ("SI", "RCIL"):
        # What did not move has no share in the descent, and its branch did not train.
        for name in frozen:
            first, last = parts[0][name], parts[2][name]
            pairs = [(first, last)] if kind == "SI" else [(first[k], last[k]) for k in first]
            assert all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in pairs)


def test_the_memory_of_a_task_covers_what_the_earlier_ones_do(weights):
    memories = weights({"type": "VDFD"}, "1:")[2]["method"]["state"]["memories"]
    covered = [set(memory["shapes"]) | set(memory["unreached"]) for memory in memories]
    assert covered[0] == covered[1] == covered[2]
    assert any(name.startswith(FROZEN) for name in covered[2])


def test_a_proximal_step_leaves_frozen_layers_alone(weights):
    saved = weights({"type": "VDFD", "treatment": "proximal", "weight": 10.0}, "1:")
    zero, two = saved[0]["state_dict"], saved[2]["state_dict"]
    assert all(
        torch.equal(zero[k], two[k]) for k in zero if k.startswith(FROZEN) and "num" not in k
    )
