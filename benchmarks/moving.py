"""A tenant is moved while it is in use, on PostgreSQL.

Twenty clients write and read rows of the tenant, and fifty others do so for fifty other tenants,
each up to ten times a second, in processes of their own, each with its own engine and directory.
Meanwhile the tenant is moved from the shared tables to a schema, to a database, and back the same
way. A client that is refused tries the same again after a while, as a client of HTTP does.

What the clients have committed is compared with what the driver alone finds in all places. The
benchmark fails if a row is lost, or is there twice, or if anything but a refusal goes wrong.

Run it as ``python -m benchmarks.moving``; ``make bench`` runs it with the others. For a large
tenant::

    python -m benchmarks.moving --rows 200000 --clients 2 --others 2 --moves 2
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing import get_context
from threading import Thread
from typing import Any, Final

import sqlalchemy
from sqlalchemy import String, create_engine, func, insert, make_url, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from benchmarks.measure import machine, table
from tenantshield_mw import PlacementUnavailableError, TenantDirectory
from tenantshield_mw.adapters.sqlalchemy import (
    SessionScope,
    shared_across_tenants,
    tenant_aware,
    tenants_in,
)
from tenantshield_mw.adapters.sqlalchemy.placements import (
    SHARED,
    Databases,
    Placement,
    Placements,
    Schemas,
)
from tenantshield_mw.adapters.sqlalchemy.provisioning import Fleet
from tenantshield_mw.adapters.sqlalchemy.provisioning.moving import move
from tests.databases import Database, database

PROCESSES: Final = 2
PAUSE: Final = 0.1
"""Seconds after which a client goes on, or tries again."""
WAY: Final = (Placement(schema="big"), Placement(database="big"), Placement(schema="big"), SHARED)


class Base(DeclarativeBase):
    pass


class Listed(DeclarativeBase):
    pass


@shared_across_tenants
class Tenant(Listed):
    __tablename__ = "bench_move_tenant"
    id: Mapped[str] = mapped_column(String(50), primary_key=True)
    active: Mapped[bool]
    schema: Mapped[str | None] = mapped_column(String(63))
    database: Mapped[str | None] = mapped_column(String(63))


@tenant_aware
class Entry(Base):
    __tablename__ = "bench_move_entry"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    tenant_id: Mapped[str] = mapped_column(String(50), index=True)
    key: Mapped[str] = mapped_column(String(50), index=True)


@dataclass(slots=True)
class Client:
    """What a client has done.

    Attributes:
        tenant: its tenant.
        committed: the keys of rows that it has written.
        refused: how often it was refused.
        errors: what else went wrong.
        longest: the longest time between two successes, in seconds.
    """

    tenant: str
    committed: list[str] = field(default_factory=list)
    refused: int = 0
    errors: list[str] = field(default_factory=list)
    longest: float = 0.0


def application(url: str, pool: int) -> tuple[Any, TenantDirectory, Schemas, Databases]:
    """Return an engine with placements, and its directory, as each process has them."""
    engine = create_engine(url, pool_size=pool, max_overflow=0, pool_timeout=300)
    directory = TenantDirectory(
        tenants_in(
            engine,
            Tenant,
            id=Tenant.id,
            state=Tenant.active,
            attributes=(Tenant.schema, Tenant.database),
        )
    )
    schemas = Schemas()
    base = make_url(url)
    databases = Databases(
        url=lambda name: base.set(database=f"{base.database}_{name}"),
        connections=10,
        open_databases=2,
    )
    Placements(engine, schemas=schemas, databases=databases, directory=directory)
    return engine, directory, schemas, databases


def serve(url: str, names: list[str], pipe: Any) -> None:
    """Run the clients of a process until it is told to stop; a name is a tenant's."""
    # Nearly as many as clients, so that none waits for the others instead of for the move.
    engine, directory, *_ = application(url, 30)
    stop: list[bool] = []
    clients = [Client(name) for name in names]

    def run(client: Client, number: int) -> None:
        since, counter = time.monotonic(), 0
        while not stop:
            counter += 1
            key = f"{os.getpid()}-{number}-{counter}"
            if _write(engine, client, directory, key, stop):
                client.committed.append(key)
                now = time.monotonic()
                client.longest, since = max(client.longest, now - since), now
                time.sleep(PAUSE)

    threads = [Thread(target=run, args=each[::-1]) for each in enumerate(clients)]
    for each in threads:
        each.start()
    pipe.recv()
    stop.append(True)
    for each in threads:
        each.join()
    pipe.send(clients)


def _write(
    engine: Any, client: Client, directory: TenantDirectory, key: str, stop: list[bool]
) -> bool:
    """Write a row, and read it; try again while the tenant is refused.

    Returns:
        Whether it was committed. After an error that is not known.
    """
    may_be_there = False
    while not stop:
        try:
            with SessionScope(client.tenant, directory=directory), Session(engine) as session:
                # It may have been committed, and the tenant refused as it was read.
                count = select(func.count()).where(Entry.key == key)
                if not (may_be_there and session.scalar(count)):
                    session.add(Entry(key=key))
                    session.commit()
                found = session.scalar(count)
                if found != 1:
                    client.errors.append(f"{found} rows of {key}")
                return True
        except PlacementUnavailableError:
            client.refused += 1
            may_be_there = True
            time.sleep(PAUSE)
        except Exception as error:  # noqa: BLE001 - it is counted
            client.errors.append(f"{type(error).__name__}: {error}"[:200])
            return False
    return False


@contextmanager
def prepared(rows: int, others: list[str]) -> Generator[tuple[Database, Fleet]]:
    """Yield a database with the tenants and their fleet."""
    with database("postgresql") as here:
        creator = here.engine()
        Base.metadata.create_all(creator)
        Listed.metadata.create_all(creator)
        names = ["big", *others]
        with creator.begin() as connection:
            connection.execute(insert(Tenant), [{"id": each, "active": True} for each in names])
        creator.dispose()
        here.run(
            "INSERT INTO bench_move_entry SELECT gen_random_uuid(), 'big', 'before-' || n "
            f"FROM generate_series(1, {rows}) n"
        )
        url = here.url.render_as_string(hide_password=False)
        engine, directory, schemas, databases = application(url, 2)
        try:
            yield here, Fleet(url, Base.metadata, directory, schemas=schemas, databases=databases)
        finally:
            engine.dispose()
            here.run(f'DROP DATABASE IF EXISTS "{here.url.database}_big" WITH (FORCE)')


def main() -> int:
    options = _options()
    print(f"{machine()}, SQLAlchemy {sqlalchemy.__version__}\n")
    others = [f"other{number}" for number in range(options.others)]
    with prepared(options.rows, others) as (here, fleet):
        url = here.url.render_as_string(hide_password=False)
        context = get_context("spawn")
        names = ["big"] * options.clients + others
        pipes, processes = [], []
        for number in range(PROCESSES):
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(url, names[number::PROCESSES], theirs))
            process.start()
            pipes.append(ours)
            processes.append(process)
        moves = []
        for target in WAY[: options.moves]:
            time.sleep(2)
            began = time.monotonic()
            moved = move(fleet, "big", target, patience=60)
            moves.append((moved, time.monotonic() - began))
        time.sleep(2)
        for each in pipes:
            each.send(None)
        clients = [client for each in pipes for client in each.recv()]
        for process in processes:
            process.join()
        found = _found(here)
    print(
        table(
            ("move", "rows", "took", "stopped"),
            [
                (
                    f"{each.source} -> {each.target}",
                    f"{each.rows:,}",
                    f"{took:.2f} s",
                    f"{each.stopped:.2f} s",
                )
                for each, took in moves
            ],
        )
    )
    return _report(clients, found, options.rows)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000, help="of the tenant, before")
    parser.add_argument("--clients", type=int, default=20, help="of the tenant that is moved")
    parser.add_argument("--others", type=int, default=50, help="other tenants, a client each")
    parser.add_argument("--moves", type=int, default=len(WAY), help="how far to go")
    return parser.parse_args()


def _found(here: Database) -> Counter[str]:
    """Return how often each key is in all places."""
    beside = Database(
        here.name,
        here.url,
        here.url,
        {**here._connect, "dbname": f"{here.url.database}_big"},
    )
    rows = [
        *here.read("SELECT key FROM public.bench_move_entry"),
        *here.read("SELECT key FROM big.bench_move_entry"),
    ]
    if here.read(f"SELECT 1 FROM pg_database WHERE datname = '{beside.url.database}_big'"):
        rows += beside.read("SELECT key FROM public.bench_move_entry")
    return Counter(key for (key,) in rows)


def _report(clients: list[Client], found: Counter[str], rows: int) -> int:
    committed = {f"before-{number}" for number in range(1, rows + 1)}
    committed.update(key for each in clients for key in each.committed)
    lost, double = len(committed - found.keys()), sum(n > 1 for n in found.values())
    errors = [error for each in clients for error in each.errors]
    lines: list[tuple[str, ...]] = []
    for name, ours in (
        ("the tenant", [each for each in clients if each.tenant == "big"]),
        ("the others", [each for each in clients if each.tenant != "big"]),
    ):
        lines.append(
            (
                name,
                str(len(ours)),
                f"{sum(len(each.committed) for each in ours):,}",
                f"{sum(each.refused for each in ours):,}",
                f"{max(each.longest for each in ours):.2f} s",
            )
        )
    print()
    print(table(("", "clients", "written", "refused", "longest without success"), lines))
    print(f"\nrows lost: {lost}, rows double: {double}, other errors: {len(errors)}")
    for error in sorted(set(errors))[:10]:
        print(f"  {error}")
    return int(bool(lost or double or errors))


if __name__ == "__main__":
    sys.exit(main())
