"""A short run of the fuzzer; ``python tests/fuzz_readers.py --seconds 600`` is a long one."""

import pytest

from tests.fuzz_readers import fuzz


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("seed", [1, 2])
def test_damaged_files_are_a_value_or_a_message(tmp_path, seed):
    outcome = fuzz(tmp_path, seed, count=600)
    assert sum(outcome.values()) == 600
    refused = sum(number for name, number in outcome.items() if name.endswith("refused"))
    assert 200 < refused < 600
