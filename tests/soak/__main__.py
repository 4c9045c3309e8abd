"""The soak test: many clients of many tenants on few connections, with all kinds of faults.

::

    python -m tests.soak
    python -m tests.soak --seed 7 --part pgbouncer --short

Exits with 1 if any row was seen, changed or stored under the wrong tenant, if a write that
was acknowledged is not there, or if one is there that was rolled back.
"""

from __future__ import annotations

import argparse
import platform
import random
import sys
from collections import Counter
from typing import get_args

import asyncpg
import psycopg
import sqlalchemy

from tests.pgbouncer import why_unavailable

from .running import PARTS, Broken, Figures, Settings, run

__all__ = ["main", "report"]

SHORT = {
    "clients": 40,
    "tenants": 10,
    "connections": 4,
    "read": 20_000,
    "written": 1_000,
    "transactions_a_fault": 25,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m tests.soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=int, help="draws the same transactions as an earlier run")
    parser.add_argument("--part", choices=PARTS, help="only this one")
    parser.add_argument("--short", action="store_true", help="seconds, and fewer clients")
    parser.add_argument("--broken", choices=get_args(Broken), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    seed = random.randrange(2**32) if arguments.seed is None else arguments.seed
    settings = Settings(seed, broken=arguments.broken, **(SHORT if arguments.short else {}))
    parts = [arguments.part] if arguments.part else list(PARTS)
    if parts != ["direct"] and (reason := why_unavailable()):
        print(reason)
        return 2
    print(
        f"seed {seed}; {settings.clients} clients of {settings.tenants} tenants on "
        f"{settings.connections} connections; Python {platform.python_version()}, "
        f"SQLAlchemy {sqlalchemy.__version__}, psycopg {psycopg.__version__}, "
        f"asyncpg {asyncpg.__version__}",
        flush=True,
    )
    good = True
    for part in parts:
        figures = run(settings, part, told=lambda said: print(said, flush=True))
        print(report(figures), flush=True)
        good = good and figures.is_good
    print("good" if good else "NOT GOOD")
    return 0 if good else 1


def report(figures: Figures) -> str:
    """Return the figures of a part as lines of text."""
    tally, verdict = figures.tally, figures.verdict
    lines: list[tuple[str, object]] = [
        ("rows read", tally.read),
        ("rows written and acknowledged", figures.acknowledged),
        ("rows under the wrong tenant", _counted(tally.wrong, figures.wrong)),
        ("acknowledged and lost", verdict.lost),
        ("rolled back and present", verdict.undead),
        ("present and unexplained", verdict.unexplained),
        ("own rows not seen", _counted(tally.missing, tally.missing.total())),
        ("unexpected errors", _counted(tally.unexpected, tally.unexpected.total())),
        ("writes of unknown outcome", figures.unknown),
        ("attempts on others' rows refused", tally.refused),
        ("transactions", tally.transactions),
        ("rolled back by an error", tally.rollbacks),
        ("savepoints rolled back", tally.savepoints),
        ("tasks cancelled", tally.cancellations),
        ("connections terminated", figures.terminations),
        ("server restarts", figures.restarts),
        ("errors met", _counted(tally.errors, tally.errors.total())),
        ("rows compared at the end", figures.stored),
        ("the server's settings", figures.durable),
        ("seconds", f"{figures.seconds:.0f}"),
    ]
    return "\n".join([f"\n{figures.part}", *(f"  {name + ':':34}{value}" for name, value in lines)])


def _counted(counter: Counter[str], total: int) -> str:
    kinds = [f"{count} {name}" for name, count in counter.most_common() if count]
    return f"{total} ({', '.join(kinds)})" if kinds else str(total)


if __name__ == "__main__":
    sys.exit(main())
