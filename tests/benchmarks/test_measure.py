"""The common measuring code of the benchmarks."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from benchmarks.measure import Batch, compare, paired, table


@pytest.fixture(autouse=True)
def nothing_else_to_collect() -> Iterator[None]:
    # Garbage is collected before each round, which takes long in a process of many tests.
    gc.freeze()
    yield
    gc.unfreeze()


def batches(calls: list[tuple[str, int]]) -> dict[str, Batch]:
    def batch(name: str) -> Batch:
        def run(repeats: int) -> None:
            calls.append((name, repeats))
            for _ in range(repeats):
                pass

        return run

    return {name: batch(name) for name in ("first", "second", "third")}


def test_every_way_is_timed_in_every_round_and_another_one_begins_each() -> None:
    calls: list[tuple[str, int]] = []
    medians = compare(batches(calls), rounds=9, seconds=1e-4)
    timed = [name for name, _ in calls[-27:]]
    turns = ["first", "second", "third"]
    assert timed == (turns + turns[1:] + turns[:1] + turns[2:] + turns[:2]) * 3
    assert list(medians) == turns
    assert all(median > 0 for median in medians.values())


def test_a_way_is_repeated_as_often_in_every_round() -> None:
    calls: list[tuple[str, int]] = []
    compare(batches(calls), rounds=9, seconds=1e-4)
    assert all(
        len({repeats for name, repeats in calls[-27:] if name == each}) == 1
        for each in ("first", "second", "third")
    )


def test_of_a_pair_each_round_times_one_way_before_and_after_the_other() -> None:
    calls: list[tuple[str, int]] = []
    first, second, _ = batches(calls).values()
    ticks = iter([0, 4, 4, 6, 6, 14] * 9)
    pair = paired(first, second, rounds=9, repeats=2, clock=lambda: next(ticks))
    assert calls[2:] == [("first", 2), ("second", 2), ("first", 2)] * 9
    assert pair == (3.0, 1.0, 3.0)


def test_a_pair_needs_nine_rounds_too() -> None:
    idle = batches([])["first"]
    with pytest.raises(ValueError, match="at least 9"):
        paired(idle, idle, rounds=8)


def test_fewer_rounds_than_nine_are_refused() -> None:
    with pytest.raises(ValueError, match="at least 9"):
        compare(batches([]), rounds=8)


def test_a_batch_that_ignores_how_much_it_is_to_do_is_refused() -> None:
    with pytest.raises(ValueError, match="no longer"):
        compare({"idle": lambda repeats: None})


def test_the_garbage_collector_is_as_it_was() -> None:
    def fails(repeats: int) -> None:
        if not gc.isenabled():
            raise LookupError
        for _ in range(repeats):
            pass

    with pytest.raises(LookupError):
        compare({"fails": fails}, seconds=1e-4)
    assert gc.isenabled()


def test_a_table_is_aligned() -> None:
    assert table(("way", "ns"), [("a", "1"), ("longer", "100")]).splitlines() == [
        "way      ns",
        "------  ---",
        "a         1",
        "longer  100",
    ]
