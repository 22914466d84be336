import csv

import numpy as np
import pytest

from vdfd_seg.evaluation import read_runs
from vdfd_seg.evaluation.groups import group_runs
from vdfd_seg.visualization.tables import Table, lost_table


def test_csv_reads_back_with_all_digits():
    third = 100 / 3
    table = Table(
        "", "class", ["a, b", "c"], {"x": [(third, 0.5), (None, None)], "y": [(1.0, None)]}
    )
    header, first, second = csv.reader(table.csv().splitlines())
    assert header == ["class", "x", "x, standard deviation", "y"]
    assert first == ["a, b", repr(third), "0.5", "1.0"]
    assert second == ["c", "", "", ""]


def test_what_was_lost_most_comes_first_with_what_it_is_taken_for(runs):
    (group,) = group_runs(read_runs(runs[:1]))
    counts = np.diag([10] * 7)
    # Of cats 20 in 30 as boats, of sofas 5 in 15 as background.
    counts[2, 1], counts[6, 0] = 20, 5
    last, earlier = group.first.last, group.first.results["steps"][0]
    last["confusions"] = {"0": counts.tolist()}
    last["per_class"]["cat"], earlier["per_class"]["cat"] = 12.0, 95.0
    table = lost_table(group)
    assert table.rows[0] == "cat, as boat"
    assert [values[0][0] for values in table.columns.values()] == [
        83.0, 12.0, pytest.approx(200 / 3),
    ]  # fmt: skip
    lost = [value for value, _ in table.columns["lost"]]
    assert lost == sorted(lost, reverse=True) and min(lost) >= 0
    assert {"sofa, as background"} < set(table.rows) and len(table.rows) == 7
    del last["confusions"]
    assert lost_table(group) is None


@pytest.mark.parametrize(("count", "most"), [(0, 7), (7, 7), (21, 1), (171, 40)])
def test_parts_hold_every_row_once_and_are_of_a_size(count, most):
    rows = [f"c{index}" for index in range(count)]
    parts = Table("all", "class", rows, {"x": [(float(i), None) for i in range(count)]}).parts(most)
    assert [name for part in parts for name in part.rows] == rows
    assert [mean for part in parts for mean, _ in part.columns["x"]] == [*range(count)]
    sizes = {len(part.rows) for part in parts}
    assert not sizes or (max(sizes) <= most and max(sizes) - min(sizes) <= 1)
    assert len(parts) < 2 or parts[0].title == f"1 to {len(parts[0].rows)} of {count}"
