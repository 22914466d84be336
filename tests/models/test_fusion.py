import pytest
import torch

from tests.test_resume import SHORT, checkpoint
from vdfd_seg.cli import run_command
from vdfd_seg.errors import InputError
from vdfd_seg.models.fusion import ewf_share, fuse

PLAIN = {**SHORT, "method": {"type": "FineTune"}}
FUSED = {**SHORT, "method": {"type": "FineTune", "fuse": True}}


def test_the_share_by_hand():
    assert ewf_share(num_old=16, num_new=1) == pytest.approx((1 / 17) ** 0.5)
    assert ewf_share(num_old=3, num_new=1) == 0.5


def test_a_network_with_other_modules_is_refused():
    with pytest.raises(InputError, match="replaces modules"):
        fuse(torch.nn.Linear(2, 2), {"other": torch.zeros(2)}, 0.5)


def test_a_step_ends_with_the_mean_of_both_ends(train):
    """Against two plain runs: step 0, and step 1 as it ends unfused."""
    plain, fused = train("--steps", "0:2", config=PLAIN), train("--steps", "0:2", config=FUSED)
    before, after = (checkpoint(plain, step)["state_dict"] for step in (0, 1))
    found = checkpoint(fused, 1)["state_dict"]
    share = ewf_share(3, 2)
    for name, old in before.items():
        if old.is_floating_point():
            expected = (1 - share) * old + share * after[name][: len(old)]
            torch.testing.assert_close(found[name][: len(old)], expected, rtol=1e-4, atol=1e-6)
            assert torch.equal(found[name][len(old) :], after[name][len(old) :])


@pytest.mark.parametrize("method", [{"type": "RCIL", "fuse": True}, {"type": "MiB", "fuse": 2.0}])
def test_is_refused_before_anything_trains(config_file, tmp_path, capfd, method):
    file = config_file({**SHORT, "method": method})
    assert run_command("train", [str(file), "--work-dir", str(tmp_path / "work")]) == 2
    assert "fuse" in capfd.readouterr().err
    assert not list(tmp_path.rglob("*.pth"))
