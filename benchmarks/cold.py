"""The overhead of the guard for a statement that SQLAlchemy has not compiled before.

Search pages build such statements all the time. Each is built anew and executed with an empty
cache, on SQLite in memory: under the guard, and without the guard with the tenant filter written
by hand; first with few declared tables, then with many.

Run it as ``python -m benchmarks.cold``; ``make bench`` runs it with the others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final

import sqlalchemy
from sqlalchemy import Column, Integer, MetaData, String, Table, select
from sqlalchemy.orm import Session

from benchmarks.measure import Batch, machine, paired, table
from benchmarks.queries import (
    TENANT,
    Customer,
    Invoice,
    engine,
    guarded,
    microseconds,
    plain,
    seed,
)
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

ROUNDS: Final = 401
FEW: Final = 5
MANY: Final = 500
AIM: Final = 1.30

_further = MetaData()


def declare(count: int) -> None:
    """Declare further tables until there are ``count``."""
    for number in range(len(_further.tables), count - 2):
        tenant_aware(
            Table(
                f"bench_further_{number}",
                _further,
                Column("id", Integer, primary_key=True),
                Column("tenant_id", String(50)),
            )
        )


def _core_table(*, by_hand: bool) -> Any:
    statement = select(Invoice.id, Invoice.amount).where(Invoice.batch == 1)
    if by_hand:
        statement = statement.where(Invoice.tenant_id == TENANT)
    return statement.limit(5)


def _core_join(*, by_hand: bool) -> Any:
    statement = (
        select(Invoice.id, Invoice.amount, Customer.name)
        .join(Customer, Invoice.customer_id == Customer.id)
        .where(Invoice.batch == 1)
    )
    if by_hand:
        statement = statement.where(Invoice.tenant_id == TENANT, Customer.tenant_id == TENANT)
    return statement.limit(5)


def _orm_table(*, by_hand: bool) -> Any:
    statement = select(Invoice).where(Invoice.batch == 1)
    if by_hand:
        statement = statement.where(Invoice.tenant_id == TENANT)
    return statement.limit(5)


def _orm_join(*, by_hand: bool) -> Any:
    statement = select(Invoice, Customer).join(Invoice.customer).where(Invoice.batch == 1)
    if by_hand:
        statement = statement.where(Invoice.tenant_id == TENANT, Customer.tenant_id == TENANT)
    return statement.limit(5)


def _core(build: Callable[..., Any], *, by_hand: bool) -> Batch:
    def run(times: int) -> None:
        with engine.connect() as connection:
            for _ in range(times):
                # private: the execution option for SQLAlchemy's own cache.
                connection.execute(
                    build(by_hand=by_hand), execution_options={"compiled_cache": {}}
                ).all()

    return run


def _orm(build: Callable[..., Any], *, by_hand: bool) -> Batch:
    def run(times: int) -> None:
        for _ in range(times):
            with Session(engine) as session:
                session.execute(
                    build(by_hand=by_hand), execution_options={"compiled_cache": {}}
                ).all()

    return run


STATEMENTS: Final[dict[str, tuple[Batch, Batch]]] = {
    "Core, one table": (_core(_core_table, by_hand=False), _core(_core_table, by_hand=True)),
    "Core, a join": (_core(_core_join, by_hand=False), _core(_core_join, by_hand=True)),
    "ORM, one table": (_orm(_orm_table, by_hand=False), _orm(_orm_table, by_hand=True)),
    "ORM, a join": (_orm(_orm_join, by_hand=False), _orm(_orm_join, by_hand=True)),
}


def main() -> int:
    seed()
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}; medians of {ROUNDS} rounds")
    print(f"\nnew statements, in microseconds (aim: at most {AIM:.2f} of by hand)")
    rows: list[tuple[str, ...]] = []
    missed = []
    for count in (FEW, MANY):
        declare(count)
        for name, (bare, by_hand) in STATEMENTS.items():
            times = paired(guarded(bare), plain(by_hand), rounds=ROUNDS)
            label = f"{name}, {count} declared"
            both = microseconds(times.first), microseconds(times.second)
            rows.append((label, *both, f"{times.ratio:.2f}"))
            if times.ratio > AIM:
                missed.append(label)
    print(table(("", "guard", "by hand", "guard/by hand"), rows))
    if missed:
        print(f"\nmissed: {', '.join(missed)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
