"""The overhead of the guard for queries and writes, in one process and one run.

Three ways are timed side by side, on SQLite in memory: under the guard; without the guard, with
the tenant filter (or the tenant) carefully written by hand; without either. Each way reads the
same rows. Without the guard, its listeners and hooks are removed completely. The clock is
processor time, since nothing here waits.

Run it as ``python -m benchmarks.queries``; ``make bench`` runs it with the others.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, Final, TypeAlias

import sqlalchemy
from sqlalchemy import ForeignKey, Integer, String, create_engine, event, insert, null, or_, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    relationship,
)
from sqlalchemy.pool import StaticPool

from benchmarks.measure import Batch, compare, machine, table
from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import internals, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.orm import objects

ROUNDS: Final = 21
SECONDS: Final = 0.2
TENANT: Final = "acme"


class Base(DeclarativeBase):
    pass


@tenant_aware
class Customer(Base):
    __tablename__ = "bench_customer"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50), index=True)
    name: Mapped[str] = mapped_column(String(50))


@tenant_aware
class Invoice(Base):
    __tablename__ = "bench_invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50), index=True)
    customer_id: Mapped[int | None] = mapped_column(ForeignKey(Customer.id))
    batch: Mapped[int] = mapped_column(Integer, index=True)
    amount: Mapped[int]
    customer: Mapped[Customer | None] = relationship()


@tenant_aware(shared_rows=null())
class Provider(Base):
    __tablename__ = "bench_provider"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(String(50), index=True)
    batch: Mapped[int] = mapped_column(Integer, index=True)
    name: Mapped[str] = mapped_column(String(50))


engine = create_engine("sqlite://", poolclass=StaticPool)


# -- with and without the guard --------------------------------------------------


@contextmanager
def unguarded() -> Generator[None]:
    """Remove the adapter's listeners and hooks from SQLAlchemy."""
    for target, name, function, _ in objects.LISTENERS:
        event.remove(target, name, function)
    for owner, hook in internals.HOOKS:
        setattr(owner, hook.__name__, hook.__wrapped__)  # type: ignore[attr-defined]
    try:
        yield
    finally:
        for owner, hook in internals.HOOKS:
            setattr(owner, hook.__name__, hook)
        for target, name, function, options in objects.LISTENERS:
            event.listen(target, name, function, **options)


Criteria: TypeAlias = Callable[[], tuple[Any, ...]]
"""Builds the filter for each query, like code that gets the tenant as an argument."""


def nothing() -> tuple[Any, ...]:
    return ()


def own() -> tuple[Any, ...]:
    return (Invoice.tenant_id == TENANT,)


def own_or_shared() -> tuple[Any, ...]:
    return (or_(Provider.tenant_id == TENANT, Provider.tenant_id.is_(None)),)


def guarded(batch: Batch) -> Batch:
    def run(times: int) -> None:
        with tenant_scope(TENANT):
            batch(times)

    return run


def plain(batch: Batch) -> Batch:
    def run(times: int) -> None:
        with unguarded():
            batch(times)

    return run


# -- reads -----------------------------------------------------------------------


def orm_page(criteria: Criteria = nothing) -> Batch:
    def run(times: int) -> None:
        for number in range(times):
            with Session(engine) as session:
                session.scalars(
                    select(Invoice).where(Invoice.batch == number % 5, *criteria()).limit(20)
                ).all()

    return run


def shared_page(criteria: Criteria = nothing) -> Batch:
    def run(times: int) -> None:
        for number in range(times):
            with Session(engine) as session:
                session.scalars(
                    select(Provider).where(Provider.batch == number % 5, *criteria()).limit(20)
                ).all()

    return run


def core_page(criteria: Criteria = nothing) -> Batch:
    def run(times: int) -> None:
        with engine.connect() as connection:
            for number in range(times):
                connection.execute(
                    select(Invoice.id, Invoice.amount)
                    .where(Invoice.batch == number % 5, *criteria())
                    .limit(20)
                ).all()

    return run


def joined_page(criteria: Criteria = nothing) -> Batch:
    def run(times: int) -> None:
        for number in range(times):
            condition = Invoice.customer_id == Customer.id
            if criteria is own:
                condition &= Customer.tenant_id == TENANT
            with Session(engine) as session:
                session.execute(
                    select(Invoice, Customer)
                    .outerjoin(Customer, condition)
                    .where(Invoice.batch == number % 5, *criteria())
                    .limit(20)
                ).all()

    return run


def by_key(criteria: Criteria = nothing) -> Batch:
    def run(times: int) -> None:
        for number in range(times):
            with Session(engine) as session:
                session.scalars(
                    select(Invoice).where(Invoice.id == number % 100 + 1, *criteria())
                ).one()

    return run


def eager_page(criteria: Criteria = nothing) -> Batch:
    def run(times: int) -> None:
        for number in range(times):
            # Both tables are confined, as under the guard.
            customer: Any = Invoice.customer
            if criteria is own:
                customer = customer.and_(Customer.tenant_id == TENANT)
            with Session(engine) as session:
                session.scalars(
                    select(Invoice)
                    .options(joinedload(customer))
                    .where(Invoice.batch == number % 5, *criteria())
                    .limit(20)
                ).all()

    return run


READS: Final[dict[str, tuple[Batch, Batch]]] = {
    "ORM, a page of 20": (orm_page(), orm_page(own)),
    "ORM, one by its key": (by_key(), by_key(own)),
    "ORM, outer join": (joined_page(), joined_page(own)),
    "ORM, joinedload": (eager_page(), eager_page(own)),
    "ORM, a page of 20, with shared rows": (shared_page(), shared_page(own_or_shared)),
    "Core, a page of 20": (core_page(), core_page(own)),
}

# -- writes ----------------------------------------------------------------------


def flush_one(**values: Any) -> Batch:
    def run(times: int) -> None:
        with Session(engine) as session:
            for number in range(times):
                session.add(Invoice(batch=99, amount=number, **values))
                session.flush()
            session.rollback()

    return run


def core_insert(**values: Any) -> Batch:
    def run(times: int) -> None:
        with engine.connect() as connection:
            for number in range(times):
                connection.execute(insert(Invoice), {"batch": 99, "amount": number, **values})
            connection.rollback()

    return run


def flush_many(**values: Any) -> Batch:
    def run(times: int) -> None:
        for _ in range(times):
            with Session(engine) as session:
                session.add_all(
                    [Invoice(batch=99, amount=number, **values) for number in range(1000)]
                )
                session.flush()
                session.rollback()

    return run


def flush_many_referring(**values: Any) -> Batch:
    def run(times: int) -> None:
        for _ in range(times):
            with Session(engine) as session:
                customer = session.scalars(select(Customer).where(Customer.id == 1)).one()
                session.add_all(
                    [
                        Invoice(batch=99, amount=number, customer=customer, **values)
                        for number in range(1000)
                    ]
                )
                session.flush()
                session.rollback()

    return run


BY_HAND: Final = {"tenant_id": TENANT}
WRITES: Final[dict[str, tuple[Batch, Batch]]] = {
    "ORM, flush of 1": (flush_one(), flush_one(**BY_HAND)),
    "Core, insert of 1": (core_insert(), core_insert(**BY_HAND)),
    "ORM, flush of 1,000": (flush_many(), flush_many(**BY_HAND)),
    "the same with a reference": (flush_many_referring(), flush_many_referring(**BY_HAND)),
}


def seed() -> None:
    Base.metadata.create_all(engine)
    with system_scope("seed the benchmark"), Session(engine) as session:
        for tenant in (TENANT, "zenith"):
            customers = [Customer(tenant_id=tenant, name=f"{tenant} {n}") for n in range(20)]
            session.add_all(customers)
            session.flush()
            # Batches 0 to 4 are the first tenant's alone, so that each way of reading
            # them, with and without a filter, returns the same rows.
            offset = 0 if tenant == TENANT else 5
            session.add_all(
                Invoice(
                    tenant_id=tenant,
                    batch=offset + number % 5,
                    amount=number,
                    customer=customers[number % 20],
                )
                for number in range(500)
            )
            session.add_all(
                Provider(
                    # Half of the first tenant's batches are rows of everybody.
                    tenant_id=tenant if tenant != TENANT or number < 250 else None,
                    batch=offset + number % 5,
                    name=f"{tenant} {number}",
                )
                for number in range(500)
            )
            session.commit()


def microseconds(seconds: float) -> str:
    return f"{seconds * 1e6:.1f}"


def main() -> int:
    seed()
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}; medians of {ROUNDS} rounds")
    missed = []

    rows = []
    for name, (bare, by_hand) in READS.items():
        times = compare(
            {"guard": guarded(bare), "by hand": plain(by_hand), "none": plain(bare)},
            rounds=ROUNDS,
            seconds=SECONDS,
            clock=time.process_time,
        )
        to_hand, to_none = times["guard"] / times["by hand"], times["guard"] / times["none"]
        rows.append((name, *map(microseconds, times.values()), f"{to_hand:.2f}", f"{to_none:.2f}"))
        if to_hand > 0.95 or to_none > 1.05:
            missed.append(name)
    print("\nreads, in microseconds (aim: at most 0.95 of by hand, 1.05 of no filter)")
    columns = ("", "guard", "by hand", "no filter", "guard/by hand", "guard/no filter")
    print(table(columns, rows))

    rows = []
    for name, (bare, by_hand) in WRITES.items():
        times = compare(
            {"guard": guarded(bare), "by hand": plain(by_hand)},
            rounds=ROUNDS,
            seconds=SECONDS,
            clock=time.process_time,
        )
        ratio = times["guard"] / times["by hand"]
        rows.append((name, *map(microseconds, times.values()), f"{ratio:.2f}"))
        if ratio > 1.10:
            missed.append(name)
    print("\nwrites, in microseconds (aim: at most 1.10 of the tenant set by hand)")
    print(table(("", "guard", "by hand", "guard/by hand"), rows))

    if missed:
        print(f"\nmissed: {', '.join(missed)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
