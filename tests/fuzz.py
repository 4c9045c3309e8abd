"""The long run: composed statements against the oracle, until one tells a difference.

Every second batch is of writes, see ``tests/oracle/writing``; where policies protect, none is.

::

    python -m tests.fuzz 100000
    python -m tests.fuzz 5000 --database postgresql --seed 7
    python -m tests.fuzz 20000 --only writes
    python -m tests.fuzz 5000 --policies           # on PostgreSQL, with policies as well
    python -m tests.fuzz 5000 --policies --no-guard  # with nothing but policies

Exits with 1 at the first mismatch, after printing the smallest statement that shows it,
what was expected and what came.
"""

from __future__ import annotations

import argparse
import json
import platform
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Final, get_args

import hypothesis
import sqlalchemy
from hypothesis import strategies as st

from tests.databases import DatabaseName, why_unavailable
from tests.oracle.fuzzing import Tally, fuzz
from tests.oracle.oracle import Mismatch, Pair, pair
from tests.oracle.strategies import Composed, statements

if TYPE_CHECKING:
    from tests.oracle.writing.fuzzing import WriteTally

PARTS: Final = ("statements", "writes")
"""What is composed, and takes turns."""

BATCH: Final = 500
"""Examples between two seeds. Hypothesis remembers all examples of a seed."""

SHARES: Final[tuple[DatabaseName, ...]] = (
    "sqlite",
    "sqlite",
    "sqlite",
    "sqlite",
    "sqlite",
    "sqlite",
    "sqlite",
    "sqlite",
    "postgresql",
    "mariadb",
)
"""Whose turn it is; most examples go where they cost least."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("examples", type=int, help="how many statements to compare")
    parser.add_argument("--database", choices=get_args(DatabaseName), help="only this one")
    parser.add_argument("--seed", type=int, help="repeats an earlier run")
    parser.add_argument("--only", choices=PARTS, help="only these")
    parser.add_argument("--policies", action="store_true", help="with policies in PostgreSQL")
    parser.add_argument("--no-guard", action="store_true", help="with nothing but these")
    arguments = parser.parse_args()
    if arguments.no_guard and not arguments.policies:
        parser.error("--no-guard needs --policies: without both nothing protects")
    if arguments.policies:
        if arguments.only == "writes":
            parser.error("--only writes goes without policies")
        arguments.database, arguments.only = "postgresql", "statements"
    start = random.randrange(2**32) if arguments.seed is None else arguments.seed
    chosen: tuple[DatabaseName, ...] = (arguments.database,) if arguments.database else SHARES
    shares: list[DatabaseName] = [name for name in chosen if why_unavailable(name) is None]
    print(
        f"seed {start}; Python {platform.python_version()}, SQLAlchemy {sqlalchemy.__version__}, "
        f"Hypothesis {hypothesis.__version__}; on {', '.join(dict.fromkeys(shares))}",
        flush=True,
    )
    return run(
        arguments.examples,
        start,
        shares,
        (arguments.only,) if arguments.only else PARTS,
        guard=not arguments.no_guard,
        policies=_policies() if arguments.policies else None,
    )


def _policies() -> list[str]:
    """Work the policies out in another process; this one may have to do without a guard."""
    code = "import json; from tests.oracle.schema import policies; print(json.dumps(policies()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout)
    return found


def run(
    examples: int,
    start: int,
    shares: Sequence[DatabaseName],
    parts: Sequence[str] = PARTS,
    *,
    guard: bool = True,
    policies: Sequence[str] | None = None,
) -> int:
    """Compare that many statements; return the exit status."""
    tallies: dict[DatabaseName, Tally] = {name: Tally() for name in dict.fromkeys(shares)}
    write: Callable[[DatabaseName, int, int], None] | None = None
    written: dict[DatabaseName, WriteTally] = {}
    began = time.monotonic()
    mismatches = 0
    with ExitStack() as stack:
        pairs: dict[DatabaseName, Pair] = {}
        if "statements" in parts:
            for name in tallies:
                pairs[name] = stack.enter_context(pair(name, guard=guard, policies=policies))
        if "writes" in parts:
            write, written = stack.enter_context(_writing(list(tallies)))
        for number, done in enumerate(range(0, examples, BATCH)):
            name = shares[number // len(parts) % len(shares)]
            # Several, since a batch of writes consists of smaller ones.
            count, seed = min(BATCH, examples - done), start + 10 * number
            try:
                if write is not None and parts[number % len(parts)] == "writes":
                    write(name, count, seed)
                else:
                    strategy = statements(name, fills=guard)
                    _batch(pairs[name], strategy, tallies[name], count, seed)
            except Mismatch as found:
                mismatches += 1
                print(f"\nmismatch, {_how_again(found, name, seed)}:\n{found}\n")
                break
            if number % 10 == 9:
                print(f"  {done + BATCH} examples", flush=True)
    for name, tally in tallies.items():
        if "statements" in parts:
            print(f"{name}: {tally.compared} compared, {tally.rejected} refused by the database")
        if name in written:
            print(f"{name}, writes:", *written[name].lines(), sep="\n")
    compared = sum(each.compared for each in tallies.values())
    compared += sum(each.count() for each in written.values())
    print(
        f"{compared} examples, {sum(each.rejected for each in tallies.values())} rejected, "
        f"{mismatches} mismatches, {time.monotonic() - began:.0f} seconds, seed {start}"
    )
    return 1 if mismatches else 0


@contextmanager
def _writing(
    names: Sequence[DatabaseName],
) -> Generator[
    tuple[Callable[[DatabaseName, int, int], None], dict[DatabaseName, WriteTally]], None, None
]:
    """Yield what judges that many writes from a seed on, and what it counts on."""
    # Only here: what declares their tables must not be in a process without a guard.
    from tests.oracle.writing.fuzzing import WriteTally, fuzz_writes
    from tests.oracle.writing.judge import judge
    from tests.oracle.writing.statements import writes

    tallies: dict[DatabaseName, WriteTally] = {name: WriteTally() for name in names}
    with ExitStack() as stack:
        judges = {name: stack.enter_context(judge(name)) for name in names}

        def write(name: DatabaseName, count: int, seed: int) -> None:
            fuzz_writes(judges[name], writes(name), count, start=seed, tally=tallies[name])

        yield write, tallies


def _how_again(found: Mismatch, name: DatabaseName, seed: int) -> str:
    """Return the arguments that repeat a batch of writes, or the seed of another one."""
    # Noted where the writes of one seed are composed.
    for note in getattr(found, "__notes__", ()):
        return f"--only writes --database {name}, {note}"
    return f"seed {seed}"


def _batch(
    compared: Pair,
    strategy: st.SearchStrategy[Composed],
    tally: Tally,
    examples: int,
    seed: int,
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fuzz(compared, strategy, examples, start=seed, tally=tally)


if __name__ == "__main__":
    sys.exit(main())
