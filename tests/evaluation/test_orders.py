import pytest

from tests.evaluation.conftest import RESULTS
from tests.tiny import changed
from vdfd_seg.evaluation import format_comparison, load_runs
from vdfd_seg.evaluation.orders import over_orders

ORDERS = {"f": [["a"], ["b", "c"]], "g": [["b"], ["a", "c"]], "h": [["c"], ["a", "b"]]}


def ordered(fingerprint, seed=0, method="VDFD", old=50.0, tasks=None, **protocol):
    tasks = [{"classes": names, "domains": []} for names in tasks or ORDERS[fingerprint]]
    protocol = {**RESULTS["protocol"], "fingerprint": fingerprint, "tasks": tasks, **protocol}
    changes = {"seed": seed, "method": method, "protocol": protocol, "summary.old": old}
    return changed(RESULTS, changes)


def test_an_order_counts_once_however_many_seeds_it_has():
    runs = [ordered("f", 0, old=10.0), ordered("f", 1, old=30.0), ordered("g", old=50.0)]
    ((method,),) = over_orders(load_runs(runs))
    assert len(method.orders) == 2
    # Means 20 and 50: their mean is 35, their sample deviation 30 / sqrt(2).
    assert method.summary("old") == (35.0, pytest.approx(21.2132, abs=1e-4))
    assert sorted(method.values("old")) == [20.0, 50.0]
    text = format_comparison(runs)
    assert "NOT COMPARABLE" in text and "Over the orders" in text
    assert "Over the orders" not in format_comparison(runs[:2])


def test_only_orders_that_every_method_has():
    runs = [ordered(f, method="A", old=o) for f, o in (("f", 1.0), ("g", 3.0), ("h", 100.0))]
    runs += [ordered(f, method="B", old=o) for f, o in (("f", 5.0), ("g", 9.0))]
    ((first, second),) = over_orders(load_runs(runs))
    assert (first.summary("old")[0], len(first.orders), first.left_out) == (2.0, 2, 1)
    assert (second.summary("old")[0], len(second.orders), second.left_out) == (7.0, 2, 0)
    assert "2 (+1)" in format_comparison(runs)


@pytest.mark.parametrize(
    "other",
    [
        ordered("g", dataset="E"),
        ordered("g", setting="disjoint"),
        ordered("g", tasks=[["b"], ["a"], ["c"]]),
        ordered("g", tasks=[["b"], ["a", "d"]]),
        ordered("g", tasks=ORDERS["f"]),
    ],
    ids=["data set", "setting", "sizes", "classes", "same order of other images"],
)
def test_what_differs_in_more_than_the_order_is_not_averaged(other):
    assert over_orders(load_runs([ordered("f"), other])) == []
    assert "Over the orders" not in format_comparison([ordered("f"), other])
