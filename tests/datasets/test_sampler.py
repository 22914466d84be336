"""Draws are functions of their number, whoever draws them."""

from itertools import islice

import pytest

from vdfd_seg.datasets import sampler as sampler_module
from vdfd_seg.datasets.sampler import DrawSampler
from vdfd_seg.utils.seeding import derived_seed


def draws(count, size=7, **settings):
    return list(islice(DrawSampler(range(size), **{"seed": 3, **settings}), count))


def test_every_pass_takes_each_position_once_in_another_order_and_draws_are_numbered():
    passes = [draws(28)[7 * turn : 7 * turn + 7] for turn in range(4)]
    orders = [tuple(position for position, _ in each) for each in passes]
    assert {tuple(sorted(order)) for order in orders} == {tuple(range(7))}
    assert len(set(orders)) == 4
    assert [number for each in passes for _, number in each] == list(range(28))


def test_the_seed_alone_decides():
    assert draws(30) == draws(30)
    assert draws(30) != draws(30, seed=4)


@pytest.mark.parametrize("views", [{}, {"views": 3}])
@pytest.mark.parametrize("start", [1, 6, 7, 8, 23])
def test_a_later_start_continues_exactly(start, views):
    assert draws(40, **views)[start:] == draws(40 - start, start=start, **views)


@pytest.mark.parametrize("world", [2, 3, 8])
@pytest.mark.parametrize("start", [0, 24])
def test_processes_take_turns(monkeypatch, world, start):
    expected = draws(48, start=start)
    shares = []
    for rank in range(world):
        monkeypatch.setattr(sampler_module, "get_dist_info", lambda rank=rank: (rank, world))
        shares.append(draws(48 // world, start=start))
    together = [draw for turn in zip(*shares, strict=True) for draw in turn]
    assert together == expected


def test_derived_seeds_fit_every_generator_depend_on_every_part_and_never_change():
    parts = [(1, 2), (2, 1), (12,), (1, 2, ""), ("", 1, 2), *(("a", i) for i in range(2000))]
    seeds = [derived_seed(*each) for each in parts]
    assert len(set(seeds)) == len(parts)
    assert 0 <= min(seeds) and 2**30 < max(seeds) < 2**31
    # Resuming with a later version must draw the same images.
    assert derived_seed(0, "step", 1) == 646197189


class TestViews:
    def test_images_come_in_the_same_order_as_without_and_in_so_many_views_in_turn(self):
        seen = {}
        for position, view in draws(7 * 5, views=3):
            seen.setdefault(position, []).append(view)
        assert seen == {p: [3 * p + turn % 3 for turn in range(5)] for p in range(7)}
        assert [p for p, _ in draws(20, views=2)] == [p for p, _ in draws(20)]
