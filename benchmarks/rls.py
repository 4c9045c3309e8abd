"""The overhead of policies in PostgreSQL for queries under the guard, in one process and one run.

A table has 1,000,000 rows of 1,000 tenants and an index on the tenant and the key. Ways to read a
page of 20 rows of one tenant are timed side by side, each on one connection to the same server:
with the tenant filter carefully written by hand; under the guard; with policies alone; under both;
with policies for signed tenants, on a copy of the table, alone and under both. For the first two,
no policy applies to the role; where the policies are alone and for the first, the guard's listeners
and hooks are removed completely. Then the cost of sending the tenant to the database in each
transaction is measured.

The benchmark fails if the ways read different rows, or do not search that index by the tenant.

Run it as ``python -m benchmarks.rls``; ``make bench`` runs it with the others.
"""

from __future__ import annotations

import asyncio
import gc
import secrets
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
AIMS: Final = {"both": 1.15, "signed, both": 1.2}
"""The ratio to by hand, by way."""
SIGNED_AIM: Final = 1.15
"""The ratio of a signed transaction to an unsigned one."""
KEY: Final = secrets.token_bytes(32)


class Columns:
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    text: Mapped[str]


class Base(DeclarativeBase):
    pass


@tenant_aware
class Entry(Columns, Base):
    __tablename__ = "bench_entry"
    __table_args__ = (Index("bench_entry_by_tenant", "tenant_id", "id"),)


class SignedBase(DeclarativeBase):
    pass


@tenant_aware
class SignedEntry(Columns, SignedBase):
    __tablename__ = "bench_signed"
    __table_args__ = (Index("bench_signed_by_tenant", "tenant_id", "id"),)


Query: TypeAlias = Callable[[Session, int], Sequence[Any]]
"""Reads the page with the given number."""

Entity: TypeAlias = type[Entry] | type[SignedEntry]


def orm_page(entity: Entity, *, filtered: bool) -> Query:
    def read(session: Session, number: int) -> Sequence[Any]:
        query = select(entity).where(entity.id > number % 500 * TENANTS)
        if filtered:
            query = query.where(entity.tenant_id == TENANT)
        found = session.scalars(query.order_by(entity.id).limit(PAGE)).all()
        session.expunge_all()
        return found

    return read


def core_page(entity: Entity, *, filtered: bool) -> Query:
    def read(session: Session, number: int) -> Sequence[Any]:
        query = select(entity.id, entity.text).where(entity.id > number % 500 * TENANTS)
        if filtered:
            query = query.where(entity.tenant_id == TENANT)
        return session.connection().execute(query.order_by(entity.id).limit(PAGE)).all()

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
        entity: the table that is read.
    """

    engine: Engine
    filtered: bool
    around: Callable[[Batch], Batch]
    entity: Entity = Entry

    def query(self, page: Callable[..., Query]) -> Query:
        return page(self.entity, filtered=self.filtered)


@contextmanager
def ways(db: PolicyDatabase) -> Generator[dict[str, Way]]:
    with ExitStack() as stack:
        exempt = create_engine(db.url.set(username=db.system), pool_size=1, max_overflow=0)
        stack.callback(exempt.dispose)
        told = db.engine(pool_size=1, max_overflow=0)
        stack.callback(told.dispose)
        signed = create_engine(db.url.set(username=db.app), pool_size=1, max_overflow=0)
        stack.callback(signed.dispose)
        rls.enforce(signed, key=KEY)
        yield {
            "by hand": Way(exempt, filtered=True, around=plain),
            "guard": Way(exempt, filtered=False, around=guarded),
            "policies": Way(told, filtered=False, around=plain),
            "both": Way(told, filtered=False, around=guarded),
            "signed": Way(signed, filtered=False, around=plain, entity=SignedEntry),
            "signed, both": Way(signed, filtered=False, around=guarded, entity=SignedEntry),
        }


def fill(db: PolicyDatabase) -> None:
    with system_scope("fill the benchmark's table"):
        engine = create_engine(db.url)
        Base.metadata.create_all(engine)
        SignedBase.metadata.create_all(engine)
        engine.dispose()
    for name in (Entry.__tablename__, SignedEntry.__tablename__):
        db.run(
            f"DROP INDEX {name}_by_tenant",
            f"INSERT INTO {name} SELECT n, 'tenant ' || n % {TENANTS}, 'text ' || n "
            f"FROM generate_series(1, {ROWS}) n",
            f"CREATE INDEX {name}_by_tenant ON {name} (tenant_id, id)",
            f"VACUUM ANALYZE {name}",
            f"ALTER TABLE {name} OWNER TO {db.owner}",
        )
    db.run(f"ALTER ROLE {db.system} LOGIN")
    rls.configure(SignedBase.metadata, signed=True)
    owner = create_engine(db.url)
    with owner.begin() as connection:
        rls.create_policies(connection, Base.metadata)
        rls.create_policies(connection, SignedBase.metadata)
        rls.store_keys(connection, [KEY])
    owner.dispose()
    db.grant()


# -- plans -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seen:
    """The rows that a way reads, and their plan.

    Attributes:
        keys: the keys of the rows.
        plan: the database's plan.
        index: the name of the index on the tenant and the key.
    """

    keys: list[int]
    plan: Plan
    index: str

    def is_by_tenant(self) -> bool:
        """Return whether only one index is searched, by the tenant."""
        searched = indexes(self.plan)
        condition = searched.get(self.index, "")
        return (
            len(searched) == len(scanned(self.plan)) == 1
            and "tenant_id" in condition
            and "id >" in condition
        )


def look(way: Way, query: Callable[..., Query]) -> Seen:
    found: list[Seen] = []

    def run(times: int) -> None:
        read = way.query(query)
        with Session(way.engine) as session:
            keys = [row.id for row in read(session, 1)]
            plan = plan_of(session, lambda s: read(s, 1))
            found.append(Seen(keys, plan, f"{way.entity.__tablename__}_by_tenant"))

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
            {each: way.around(within(way.engine, way.query(query))) for each, way in found.items()},
            rounds=ROUNDS,
            seconds=SECONDS,
        )
        ratios = {each: times[each] / times["by hand"] for each in found if each != "by hand"}
        missed += [f"{name}, {each}" for each, aim in AIMS.items() if ratios[each] > aim]
        if within is in_one_each and times["signed, both"] > SIGNED_AIM * times["both"]:
            missed.append(f"{name}, signed")
        rows.append((name, *map(microseconds, times.values())))
        rows.append(("/ by hand", "", *(f"{each:.2f}" for each in ratios.values())))
        rows.append(
            (
                "signed / not",
                *[""] * 4,
                *(
                    f"{times[signed] / times[plain_]:.2f}"
                    for signed, plain_ in (("signed", "policies"), ("signed, both", "both"))
                ),
            )
        )
    aims = ", ".join(f"{name} at most {aim} of by hand" for name, aim in AIMS.items())
    print(
        f"\na page of {PAGE}, in microseconds (aims: {aims}; a signed transaction at most "
        f"{SIGNED_AIM} of an unsigned one)"
    )
    print(table(("", *found), rows))
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
        for how in ("as it is", "tenant told", "signed"):
            key = KEY if how == "signed" else None
            engine = create_engine(url, **options)
            stack.callback(engine.dispose)
            if how != "as it is":
                rls.enforce(engine, key=key)
            batches[f"psycopg {how}"] = transactions(engine)
            for driver in ("psycopg", "asyncpg"):
                made = create_async_engine(url.set(drivername=f"postgresql+{driver}"), **options)
                stack.callback(lambda each: runner.run(each.dispose()), made)
                if how != "as it is":
                    rls.enforce(made, key=key)
                batches[f"{driver}, async {how}"] = async_transactions(made, runner)
        times = compare(batches, rounds=ROUNDS, seconds=SECONDS)
    rows = []
    for driver in ("psycopg", "psycopg, async", "asyncpg, async"):
        found = [times[f"{driver} {how}"] for how in ("as it is", "tenant told", "signed")]
        without, told, signed = found
        ratios = (told / without, signed / told)
        rows.append((driver, *map(microseconds, found), *(f"{each:.2f}" for each in ratios)))
    print("\nBEGIN, SELECT 1, COMMIT over the local socket, in microseconds")
    names = ("", "as it is", "tenant told", "signed", "told/as it is", "signed/told")
    print(table(names, rows))


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
