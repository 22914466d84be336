import doctest
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/en/advanced_guides/vdfd_mathematics.md"


def test_example_of_the_page_runs():
    results = doctest.testfile(str(PAGE), module_relative=False)
    assert results.attempted > 8 and not results.failed
