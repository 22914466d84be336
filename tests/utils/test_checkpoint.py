"""What passes from step to step: plain, whole, or refused."""

import random

import pytest
import torch

from vdfd_seg.errors import InputError
from vdfd_seg.utils.checkpoint import digest, load_plain, load_step, nbytes, save_plain, to_plain

CONTENT = {
    "weights": {"a": torch.arange(6.0).view(2, 3), "n": torch.tensor(3), "e": torch.zeros(0, 2)},
    "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    "flags": torch.tensor([True, False]),
    "meta": {"name": "tâche", "steps": [1, 2.5, None, True], 3: "number as key"},
}


def same(first, second):
    if isinstance(first, torch.Tensor):
        return first.dtype == second.dtype and torch.equal(first, second)
    if isinstance(first, dict):
        return list(first) == list(second) and all(same(first[k], second[k]) for k in first)
    if isinstance(first, list):
        return len(first) == len(second) and all(map(same, first, second))
    return type(first) is type(second) and first == second


@pytest.fixture
def path(tmp_path):
    return tmp_path / "checkpoint.pth"


class TestRoundTrip:
    def test_mappings_tuples_and_parameters_become_plain(self, path):
        layer = torch.nn.Linear(2, 2)
        save_plain(path, {"state": layer.state_dict(), "p": layer.weight, "t": (1, (2,))})
        found = load_plain(path)
        assert type(found["state"]) is dict
        assert type(found["p"]) is torch.Tensor
        assert not found["p"].requires_grad
        assert found["t"] == [1, [2]]

    def test_a_view_is_saved_without_the_storage_behind_it(self, path):
        # What a method does not keep must not travel in the file unseen.
        save_plain(path, {"rows": torch.rand(1000, 1000)[:2]})
        assert path.stat().st_size < 40_000
        assert load_plain(path)["rows"].shape == (2, 1000)


@pytest.mark.parametrize(
    ("content", "where"),
    [
        ({"a": {"b": [1, {2}]}}, r"checkpoint\.a\.b\[1\] holds a set"),
        ({"f": len}, r"checkpoint\.f holds a builtin_function"),
        ({"m": {"x": torch.nn.Linear(1, 1)}}, r"checkpoint\.m\.x holds a Linear"),
        ({"n": __import__("numpy").float64(1)}, r"checkpoint\.n holds a float64"),
        ({"k": {(1, 2): 3}}, r"checkpoint\.k has a key of type tuple"),
        # Its own name.
        ({"digest": "mine"}, "digest"),
    ],
)
def test_other_types_are_refused_naming_the_place(path, content, where):
    with pytest.raises(TypeError, match=where):
        save_plain(path, content)
    assert not path.exists()


class TestDamage:
    def refused(self, path, message="damaged"):
        with pytest.raises(InputError, match=message) as caught:
            load_plain(path)
        assert str(path) in str(caught.value)

    def test_missing(self, path, tmp_path):
        self.refused(path, "does not exist")
        self.refused(tmp_path, "does not exist")

    def test_no_flipped_bit_passes_unnoticed(self, path):
        save_plain(path, CONTENT)
        whole = path.read_bytes()
        random.seed(0)
        refusals = 0
        for place in random.sample(range(len(whole)), 400):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << random.randrange(8)
            path.write_bytes(damaged)
            try:
                # Padding and time stamps of the archive carry no content.
                assert same(load_plain(path), CONTENT)
            except InputError as error:
                assert str(path) in str(error)
                refusals += 1
        assert refusals > 100

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ({"a": 0, "digest": digest({"a": 1})}, "does not match its digest"),
            ({"state_dict": {}}, "no digest.*init_cfg"),
            ([1], "no digest"),
        ],
    )
    def test_other_content(self, path, content, message):
        torch.save(content, path)
        self.refused(path, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"state_dict": {}}, "not a step's checkpoint: it has no me"),
        ({"state_dict": {}, "meta": {"format": 99}, "method": {}}, "has meta.format 99"),
        ({"state_dict": {}, "meta": "x", "method": {}}, "meta"),
    ],
)
def test_what_is_no_step_is_refused(path, content, message):
    save_plain(path, content)
    with pytest.raises(InputError, match=message):
        load_step(path)


class TestDigest:
    def test_tells_contents_apart(self):
        contents = [
            {"a": 1}, {"a": 1.0}, {"a": True}, {"a": "1"}, {"a": None}, {"b": 1}, {1: 1}, {"1": 1},
            {"a": [1, 2]}, {"a": [12]}, {"a": [[1], 2]}, {"a": {}}, {"a": []},
            {"a": torch.tensor([1.0, 2.0])}, {"a": torch.tensor([[1.0, 2.0]])},
            {"a": torch.tensor([1.0, 2.0]).double()}, {"a": torch.tensor([1.0, 3.0])},
            {"a": torch.zeros(2)}, {"a": torch.zeros(2, dtype=torch.int32)}, {"a": torch.zeros(0)},
        ]  # fmt: skip
        assert len({digest(to_plain(content)) for content in contents}) == len(contents)

    def test_does_not_depend_on_memory_layout(self):
        tensor = torch.rand(3, 4)
        assert digest(tensor) == digest(tensor.t().contiguous().t())


def test_bytes_of_content():
    content = {"ab": torch.zeros(3, dtype=torch.float64), "c": [1, 2.0, None, True], "d": "é"}
    assert nbytes(content) == (2 + 24) + (1 + 24) + (1 + 2)
