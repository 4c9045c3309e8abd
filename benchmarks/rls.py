"""The overhead of policies in PostgreSQL for queries under the guard, in one process and one run.

A table has 1,000,000 rows of 1,000 tenants and an index on the tenant and the key. Four ways to
read a page of 20 rows of one tenant are timed side by side, each on one connection to the same
server: with the tenant filter carefully written by hand; under the guard; with policies alone;
under both. For the first two, no policy applies to the role; for the first and the third, the
guard's listeners and hooks are removed completely. Then the cost of sending the tenant to the
database in each transaction is measured.

The benchmark fails if the ways read different rows, or do not search that index by the tenant.

Run it as ``python -m benchmarks.rls``; ``make bench`` runs it with the others.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import sqlalchemy
from sqlalchemy import Engine, Index, create_engine, select
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.measure import Batch, compare, machine, table
from benchmarks.queries import microseconds, unguarded
from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware
from tests.plans import Plan, as_text, indexes, plan_of, scanned
from tests.policy_database import PolicyDatabase, policy_database

ROUNDS: Final = 51
SECONDS: Final = 0.01
"""Per way and round. On a busy machine, many short rounds vary less than a few long ones."""
ROWS: Final = 1_000_000
TENANTS: Final = 1_000
TENANT: Final = "tenant 7"
PAGE: Final = 20
INDEX: Final = "bench_entry_by_tenant"
AIM: Final = 1.15


class Base(DeclarativeBase):
    pass


@tenant_aware
class Entry(Base):
    __tablename__ = "bench_entry"
    __table_args__ = (Index(INDEX, "tenant_id", "id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    text: Mapped[str]


Query: TypeAlias = Callable[[Session, int], Sequence[Any]]
"""Reads the page with the given number."""


def orm_page(*, filtered: bool) -> Query:
    def read(session: Session, number: int) -> Sequence[Any]:
        query = select(Entry).where(Entry.id > number % 500 * TENANTS)
        if filtered:
            query = query.where(Entry.tenant_id == TENANT)
        found = session.scalars(query.order_by(Entry.id).limit(PAGE)).all()
        session.expunge_all()
        return found

    return read


def core_page(*, filtered: bool) -> Query:
    def read(session: Session, number: int) -> Sequence[Any]:
        query = select(Entry.id, Entry.text).where(Entry.id > number % 500 * TENANTS)
        if filtered:
            query = query.where(Entry.tenant_id == TENANT)
        return session.connection().execute(query.order_by(Entry.id).limit(PAGE)).all()

    return read


def in_one_transaction(engine: Engine, read: Query) -> Batch:
    def run(times: int) -> None:
        with Session(engine) as session:
            # Sending the tenant is not timed here.
            session.connection()
            for number in range(times):
                read(session, number)

    return run


def in_one_each(engine: Engine, read: Query) -> Batch:
    def run(times: int) -> None:
        for number in range(times):
            with Session(engine) as session:
                read(session, number)

    return run


def guarded(batch: Batch) -> Batch:
    def run(times: int) -> None:
        with tenant_scope(TENANT):
            batch(times)

    return run


def plain(batch: Batch) -> Batch:
    # The scope is needed to send the tenant to the database; the guard is removed.
    def run(times: int) -> None:
        with unguarded():
            batch(times)

    return guarded(run)


@dataclass(frozen=True, slots=True)
class Way:
    """One way to confine a query to the tenant.

    Attributes:
        engine: an engine with one connection.
        filtered: whether the query has the tenant filter.
        around: a context manager in which the batch runs.
    """

    engine: Engine
    filtered: bool
    around: Callable[[Batch], Batch]


@contextmanager
def ways(db: PolicyDatabase) -> Generator[dict[str, Way]]:
    with ExitStack() as stack:
        exempt = create_engine(db.url.set(username=db.system), pool_size=1, max_overflow=0)
        stack.callback(exempt.dispose)
        told = db.engine(pool_size=1, max_overflow=0)
        stack.callback(told.dispose)
        yield {
            "by hand": Way(exempt, filtered=True, around=plain),
            "guard": Way(exempt, filtered=False, around=guarded),
            "policies": Way(told, filtered=False, around=plain),
            "both": Way(told, filtered=False, around=guarded),
        }


def fill(db: PolicyDatabase) -> None:
    with system_scope("fill the benchmark's table"):
        engine = create_engine(db.url)
        Base.metadata.create_all(engine)
        engine.dispose()
    db.run(
        f"DROP INDEX {INDEX}",
        f"INSERT INTO bench_entry SELECT n, 'tenant ' || n % {TENANTS}, 'text ' || n "
        f"FROM generate_series(1, {ROWS}) n",
        f"CREATE INDEX {INDEX} ON bench_entry (tenant_id, id)",
        "VACUUM ANALYZE bench_entry",
        f"ALTER TABLE bench_entry OWNER TO {db.owner}",
        f"ALTER ROLE {db.system} LOGIN",
    )
    owner = create_engine(db.url)
    with owner.begin() as connection:
        rls.create_policies(connection, Base.metadata)
    owner.dispose()
    db.grant()


# -- plans -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows that a way reads, and their plan.

    Attributes:
        keys: the keys of the rows.
        plan: the database's plan.
    """

    keys: list[int]
    plan: Plan

    def is_by_tenant(self) -> bool:
        """Return whether only one index is searched, by the tenant."""
        searched = indexes(self.plan)
        condition = searched.get(INDEX, "")
        return (
            len(searched) == len(scanned(self.plan)) == 1
            and "tenant_id" in condition
            and "id >" in condition
        )


def look(way: Way, query: Callable[..., Query]) -> Seen:
    found: list[Seen] = []

    def run(times: int) -> None:
        read = query(filtered=way.filtered)
        with Session(way.engine) as session:
            keys = [row.id for row in read(session, 1)]
            found.append(Seen(keys, plan_of(session, lambda s: read(s, 1))))

    way.around(run)(1)
    return found[0]


def compare_plans(found: dict[str, Way]) -> bool:
    """Print each way's plan; return whether all read the same rows through the index."""
    seen = {
        (name, query): look(way, query)
        for name, way in found.items()
        for query in (orm_page, core_page)
    }
    for name in found:
        print(f"\nplan, {name}:\n{as_text(seen[name, orm_page].plan)}")
    (expected, *_) = seen.values()
    return len(expected.keys) == PAGE and all(
        each.keys == expected.keys and each.is_by_tenant() for each in seen.values()
    )


# -- queries ---------------------------------------------------------------------


def compare_queries(found: dict[str, Way]) -> list[str]:
    """Print the time of each way; return those that miss the target."""
    missed, rows = [], []
    for name, query, within in (
        ("ORM, the statement", orm_page, in_one_transaction),
        ("Core, the statement", core_page, in_one_transaction),
        ("ORM, a transaction", orm_page, in_one_each),
        ("Core, a transaction", core_page, in_one_each),
    ):
        times = compare(
            {
                each: way.around(within(way.engine, query(filtered=way.filtered)))
                for each, way in found.items()
            },
            rounds=ROUNDS,
            seconds=SECONDS,
        )
        ratios = [times[each] / times["by hand"] for each in ("guard", "policies", "both")]
        if ratios[-1] > AIM:
            missed.append(name)
        rows.append((name, *map(microseconds, times.values()), *(f"{each:.2f}" for each in ratios)))
    print(f"\na page of {PAGE}, in microseconds (aim: both at most {AIM} of by hand)")
    print(table(("", *found, "guard/by hand", "policies/by hand", "both/by hand"), rows))
    return missed


# -- transactions ----------------------------------------------------------------


def transactions(engine: Engine) -> Batch:
    def run(times: int) -> None:
        for _ in range(times):
            with engine.begin() as connection:
                connection.exec_driver_sql("SELECT 1")

    return guarded(run)


def async_transactions(engine: AsyncEngine, runner: asyncio.Runner) -> Batch:
    async def run(times: int) -> None:
        with tenant_scope(TENANT):
            for _ in range(times):
                async with engine.begin() as connection:
                    await connection.exec_driver_sql("SELECT 1")

    return lambda times: runner.run(run(times))


def compare_transactions(db: PolicyDatabase) -> None:
    """Print the cost of sending the tenant in each transaction, by driver."""
    batches: dict[str, Batch] = {}
    with asyncio.Runner() as runner, ExitStack() as stack:
        options: dict[str, Any] = {"pool_size": 1, "max_overflow": 0}
        url = db.url.set(username=db.app)
        for told in (False, True):
            engine = create_engine(url, **options)
            stack.callback(engine.dispose)
            if told:
                rls.enforce(engine)
            batches[f"psycopg {told}"] = transactions(engine)
            for driver in ("psycopg", "asyncpg"):
                made = create_async_engine(url.set(drivername=f"postgresql+{driver}"), **options)
                stack.callback(lambda each: runner.run(each.dispose()), made)
                if told:
                    rls.enforce(made)
                batches[f"{driver}, async {told}"] = async_transactions(made, runner)
        times = compare(batches, rounds=ROUNDS, seconds=SECONDS)
    rows = []
    for driver in ("psycopg", "psycopg, async", "asyncpg, async"):
        without, with_it = times[f"{driver} False"], times[f"{driver} True"]
        rows.append(
            (
                driver,
                *map(microseconds, (without, with_it, with_it - without)),
                f"{with_it / without:.2f}",
            )
        )
    print("\nBEGIN, SELECT 1, COMMIT over the local socket, in microseconds")
    print(table(("", "as it is", "tenant told", "difference", "told/as it is"), rows))


def main() -> int:
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}; medians of {ROUNDS} rounds")
    # Keep the garbage collector from scanning existing objects during each timing.
    gc.collect()
    gc.freeze()
    with policy_database() as made:
        assert isinstance(made, PolicyDatabase)
        fill(made)
        ((version,),) = made.read("SHOW server_version")
        print(f"PostgreSQL {version}, {ROWS:,} rows of {TENANTS:,} tenants")
        with ways(made) as found:
            same = compare_plans(found)
            print(f"\nthe same rows by the same index: {'yes' if same else 'NO'}")
            missed = compare_queries(found)
        compare_transactions(made)
    if missed:
        print(f"\nmissed: {', '.join(missed)}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
