"""What a method declares reaches the network that trains."""

from tests.test_resume import checkpoint, differences


def test_mib_is_whole_by_its_name(train):
    """Its loss and its start of new rows come with it, and equal those written out, to the bit."""
    short = {"train_cfg": {"max_iters": 2}, "step_overrides": {}}
    plain = {"model.decode_head.loss_decode": {"type": "CrossEntropyLoss", "avg_non_ignore": True}}

    def run(changes, **method):
        method = {"method": {"type": "FineTune", **method}}
        return train("--steps", "0:2", config={**short, **changes, **method})

    written = run({}, new_rows="balanced")  # with the unbiased loss in the config's model
    named = run(plain, type="MiB", weight=0.0)
    assert differences(*(checkpoint(each, 1)["state_dict"] for each in (written, named))) == []
    for other in ({"unbiased_loss": False}, {"new_rows": "random"}):
        found = run(plain, type="MiB", weight=0.0, **other)
        assert differences(*(checkpoint(each, 1)["state_dict"] for each in (found, named)))
