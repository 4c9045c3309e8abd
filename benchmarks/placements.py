"""The cost of a tenant's own schema or database, in one process and one run.

First, the transaction of a request is timed that reads a page of 20 rows by the ORM, for tenants in
shared tables, in a schema and in a database, side by side, on an engine with placements, and for a
tenant in shared tables on an engine without: with policies and without them. Then the memory and
the connections are counted that tenants' databases take, 10, 100 and 1,000 of them, with a limit of
50 databases that are open at a time.

Run it as ``python -m benchmarks.placements``; ``make bench`` runs it with the others.
"""

from __future__ import annotations

import gc
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import sqlalchemy
from sqlalchemy import Engine, create_engine, insert, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.measure import Batch, compare, machine, table
from benchmarks.queries import microseconds
from tenantshield_mw import TenantContext, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.placements import (
    Databases,
    Placement,
    Placements,
    Schemas,
)
from tests.databases import Database, database
from tests.policy_database import PolicyDatabase, policy_database

ROUNDS: Final = 31
SECONDS: Final = 0.02
PAGE: Final = 20
COUNTS: Final = (10, 100, 1_000)
OPEN: Final = 50
PLACES: Final = {
    "shared tables": Placement(),
    "a schema": Placement(schema="acme"),
    "a database": Placement(database="acme"),
}


class Base(DeclarativeBase):
    pass


@tenant_aware
class Invoice(Base):
    __tablename__ = "bench_placed_invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(index=True)
    text: Mapped[str]


def main() -> int:
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}\n")
    for policies in (False, True):
        with _databases(policies=policies) as (plain, placed):
            print(_report(plain, placed, policies=policies), flush=True)
    for count in COUNTS:
        print(_memory(count), flush=True)
    return 0


# -- a transaction ---------------------------------------------------------------


@contextmanager
def _databases(*, policies: bool) -> Generator[tuple[Engine, Engine]]:
    """Yield an engine without placements and one with them, whose places have the same rows."""
    with ExitStack() as stack:
        here: Database = stack.enter_context(
            policy_database() if policies else database("postgresql")
        )
        away: Database = stack.enter_context(database("postgresql"))
        if isinstance(here, PolicyDatabase):
            away.run(f"GRANT ALL ON SCHEMA public TO {here.owner}")
            roles = (here.owner, here.app, here.system)
            away = PolicyDatabase(away.name, away.url, away.async_url, away._connect, *roles)
        here.run("CREATE SCHEMA acme")
        if isinstance(here, PolicyDatabase):
            here.open_schema("acme")
        for where, schema in ((here, None), (here, "acme"), (away, None)):
            _fill(where, schema)
        plain, placed = here.engine(), here.engine()
        url = away.url.set(username=here.app) if isinstance(here, PolicyDatabase) else away.url
        placements = Placements(placed, schemas=Schemas(), databases=Databases(url=lambda _: url))
        yield plain, placed
        placements.dispose()
        plain.dispose()
        placed.dispose()


def _fill(where: Database, schema: str | None) -> None:
    engine = create_engine(where.url)
    Placements(engine, schemas=Schemas())
    with (
        system_scope("the rows", at=Placement(schema=schema)),
        engine.begin() as connection,
    ):
        if isinstance(where, PolicyDatabase):
            connection.exec_driver_sql(f"SET LOCAL ROLE {where.owner}")
        Base.metadata.create_all(connection)
        if isinstance(where, PolicyDatabase):
            rls.create_policies(connection, Base.metadata)
        connection.exec_driver_sql("SET LOCAL ROLE NONE")
        rows = [
            {"id": number, "tenant_id": f"tenant {number % 50}", "text": "x" * 40}
            for number in range(5_000)
        ]
        connection.execute(insert(Invoice), rows)
    engine.dispose()
    where.run("VACUUM ANALYZE")
    if isinstance(where, PolicyDatabase):
        where.grant()


def _report(plain: Engine, placed: Engine, *, policies: bool) -> str:
    ways: dict[str, Batch] = {"without placements": _requests(plain, Placement())}
    ways |= {name: _requests(placed, place) for name, place in PLACES.items()}
    medians = compare(ways, rounds=ROUNDS, seconds=SECONDS)
    # What other processes do has less effect on this.
    own = compare(ways, rounds=ROUNDS, seconds=SECONDS, clock=time.process_time)
    base, own_base = medians["without placements"], own["without placements"]
    head = f"a request's transaction, {'with' if policies else 'without'} policies"
    rows: list[tuple[str, ...]] = [
        (name, microseconds(each), f"{each / base:.2f}", f"{own[name] / own_base:.2f}")
        for name, each in medians.items()
    ]
    return table((head, "us", "ratio", "ratio in Python"), rows) + "\n"


def _requests(engine: Engine, place: Placement) -> Batch:
    tenant = TenantContext("tenant 7", {"schema": place.schema, "database": place.database})
    query = select(Invoice).order_by(Invoice.id).limit(PAGE)

    def batch(times: int) -> None:
        found: Sequence[Invoice] = ()
        for _ in range(times):
            with tenant_scope(tenant), Session(engine) as session:
                found = session.scalars(query).all()
        assert len(found) == PAGE

    return batch


# -- memory ----------------------------------------------------------------------


def _memory(count: int) -> str:
    """Return what so many databases take, after each was used."""
    with tempfile.TemporaryDirectory(prefix="tenantshield-bench-") as name:
        folder = Path(name)
        for number in range(count):
            engine = create_engine(f"sqlite:///{folder}/{number}.db")
            Base.metadata.create_all(engine)
            engine.dispose()
        (folder / "shared.db").touch()
        base = create_engine(f"sqlite:///{folder}/shared.db")
        url = f"sqlite:///{folder}/{{}}.db".format
        placements = Placements(base, databases=Databases(url=url, open_databases=OPEN))
        gc.collect()
        tracemalloc.start()
        most = 0
        for number in range(count):
            tenant = TenantContext("acme", {"database": str(number)})
            with tenant_scope(tenant), Session(base) as session:
                session.scalars(select(Invoice)).all()
            most = max(most, len(placements.open_databases()))
        gc.collect()
        kept, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        placements.dispose()
    return (
        f"{count:>5} databases: {most} open at most, {kept / 2**20:.1f} MiB in Python, "
        f"{kept / 2**10 / most:.0f} KiB for each that is open"
    )


if __name__ == "__main__":
    sys.exit(main())
