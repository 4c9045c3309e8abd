"""Time several ways to do the same thing side by side, in one process and one run.

A round times every way once, and each round begins with a different one, so that a machine that
slows down affects all of them. Only ratios of the medians are meaningful on another machine.
"""

from __future__ import annotations

import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, TypeAlias

__all__ = ["Batch", "Pair", "compare", "machine", "paired", "table"]

Batch: TypeAlias = Callable[[int], object]
"""Does the timed work the given number of times."""

MIN_ROUNDS: Final = 9
MAX_REPEATS: Final = 10**10
ROUNDS_BETWEEN_COLLECTIONS: Final = 20


def compare(
    batches: Mapping[str, Batch],
    *,
    rounds: int = 15,
    seconds: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, float]:
    """Return the median time of one repetition of each way, in seconds.

    Args:
        batches: the ways, by name.
        rounds: how many times to time each; at least 9.
        seconds: roughly how long to time each in a round, after a first, untimed run.
        clock: returns the time in seconds; ``time.process_time`` for work that never waits,
            since it excludes other processes.

    Raises:
        ValueError: there are too few rounds, or a batch does not take longer for more work.
    """
    if rounds < MIN_ROUNDS:
        raise ValueError(f"at least {MIN_ROUNDS} rounds are needed, not {rounds}")
    repeats = {name: _repeats(batch, seconds, clock) for name, batch in batches.items()}
    names = list(batches)
    times: dict[str, list[float]] = {name: [] for name in names}
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            first = turn % len(names)
            for name in names[first:] + names[:first]:
                gc.collect()
                times[name].append(_timed(batches[name], repeats[name], clock) / repeats[name])
    finally:
        if was_collecting:
            gc.enable()
    return {name: statistics.median(each) for name, each in times.items()}


class Pair(NamedTuple):
    """Two ways side by side: the medians of their times in seconds, and of their ratio."""

    first: float
    second: float
    ratio: float


def paired(
    first: Batch,
    second: Batch,
    *,
    rounds: int = 401,
    repeats: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> Pair:
    """Return the median times of one repetition of two ways, and the median of their ratio.

    Each round times the first way before and after the second, all within milliseconds, and
    gives one ratio. So the ratio holds on a machine that changes its speed all the time, where
    the ratio of the two medians would not.

    Args:
        first: the one way.
        second: the other.
        rounds: how many ratios to take; at least 9.
        repeats: how many times each batch does its work.
        clock: returns the time in seconds.

    Raises:
        ValueError: there are too few rounds.
    """
    if rounds < MIN_ROUNDS:
        raise ValueError(f"at least {MIN_ROUNDS} rounds are needed, not {rounds}")
    firsts, seconds, ratios = [], [], []
    for batch in (first, second):
        batch(ROUNDS_BETWEEN_COLLECTIONS)
    was_collecting = gc.isenabled()
    gc.disable()
    try:
        for turn in range(rounds):
            if turn % ROUNDS_BETWEEN_COLLECTIONS == 0:
                gc.collect()
            before = _timed(first, repeats, clock)
            between = _timed(second, repeats, clock)
            after = _timed(first, repeats, clock)
            firsts.append((before + after) / 2 / repeats)
            seconds.append(between / repeats)
            ratios.append(firsts[-1] / seconds[-1])
    finally:
        if was_collecting:
            gc.enable()
    return Pair(*map(statistics.median, (firsts, seconds, ratios)))


def _timed(batch: Batch, repeats: int, clock: Callable[[], float]) -> float:
    begin = clock()
    batch(repeats)
    return clock() - begin


def _repeats(batch: Batch, seconds: float, clock: Callable[[], float]) -> int:
    repeats = 1
    while (taken := _timed(batch, repeats, clock)) < seconds / 2:
        if repeats > MAX_REPEATS:
            raise ValueError("a batch takes no longer when it is told to do more")
        # The clock's grain makes a very short time mean little.
        repeats = max(repeats * 2, min(repeats * 100, int(repeats * seconds / max(taken, 1e-6))))
    return max(1, round(repeats * seconds / taken))


def table(columns: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """Return a table as text: the first column to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(columns, *rows, strict=True)]
    lines = [columns, tuple("-" * width for width in widths), *rows]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def machine() -> str:
    """Return one line about the interpreter and the machine."""
    return f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
