"""Timing several ways to do one thing side by side, in one process and one run.

A round times every way once; each round begins with another one, so that a machine that
slows down slows all of them. Only ratios of the medians mean anything elsewhere.
"""

from __future__ import annotations

import gc
import platform
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

__all__ = ["Batch", "compare", "machine", "table"]

Batch: TypeAlias = Callable[[int], object]
"""Does the thing to be timed as many times as it is told."""

MIN_ROUNDS: Final = 9
MAX_REPEATS: Final = 10**10


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
        rounds: how many times each is timed; at least 9.
        seconds: about how long each is timed in a round, after a first, untimed run.
        clock: tells the time in seconds; ``time.process_time`` for what waits for nothing,
            since that leaves out what the machine does for others.

    Raises:
        ValueError: there are too few rounds, or a batch does not do more when told to.
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
    """Return in one line what the figures were taken on."""
    return f"{platform.python_implementation()} {platform.python_version()}, {platform.machine()}"
