"""Layers that a step freezes: they do not move, what is remembered of them stays, and they can
train again."""

import pytest
import torch

from tests.test_resume import checkpoint

FROZEN = ("backbone.conv1", "backbone.bn1", "backbone.layer1", "backbone.layer2")


@pytest.mark.parametrize("kind", ["EWC", "SI", "RCIL", "VDFD"])
def test_a_step_that_freezes_layers(train, kind):
    freeze = {"model": {"backbone": {"frozen_stages": 2}}}
    changes = {"method": {"type": kind}, "step_overrides": {"1": freeze}}
    run = train(config={"train_cfg": {"max_iters": 2}, **changes})
    saved = [checkpoint(run, step) for step in range(3)]
    zero, one, two = (each["state_dict"] for each in saved)
    moving = [k for k in zero if k.startswith("backbone") and k.endswith("weight")]
    frozen = [k for k in moving if k.startswith(FROZEN)]
    assert frozen and all(torch.equal(zero[k], one[k]) for k in frozen)
    assert not all(torch.equal(zero[k], one[k]) for k in moving)
    assert not all(torch.equal(one[k], two[k]) for k in frozen)
    CARRIED[kind](*(each["method"]["state"] for each in saved))


def importances(zero, one, two, equal=True):
    parts = [state["importance"] for state in (zero, one, two)]
    assert parts[0].keys() == parts[1].keys() == parts[2].keys()
    frozen = [k for k in parts[0] if k.startswith(FROZEN)]
    # What did not move has no share in the descent; its Fisher information is another's.
    assert {torch.equal(parts[0][k], parts[1][k]) for k in frozen} == {equal}


def branches(zero, one, two):
    frozen = [k for k in zero["branches"] if k.startswith(FROZEN)]
    assert frozen and zero["branches"].keys() == one["branches"].keys()
    for name in frozen:
        same, other = zero["branches"][name], one["branches"][name]
        assert torch.equal(same["conv.weight"], other["conv.weight"])
        # From there it has gone on.
        assert not torch.equal(same["conv.weight"], two["branches"][name]["conv.weight"])


def memories(zero, one, two):
    covered = [set(each["shapes"]) | set(each["unreached"]) for each in two["memories"]]
    assert covered[0] == covered[1] == covered[2]
    assert any(name.startswith(FROZEN) for name in covered[1])


CARRIED = {
    "EWC": lambda *states: importances(*states, equal=False),
    "SI": importances,
    "RCIL": branches,
    "VDFD": memories,
}
