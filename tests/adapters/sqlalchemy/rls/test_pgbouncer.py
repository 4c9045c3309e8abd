"""PgBouncer in transaction mode: many clients, and each transaction on any free connection of a
few to the server.
"""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections import defaultdict
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy import URL, AsyncAdaptedQueuePool, NullPool, create_engine, select, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tests.databases import Database, database
from tests.drivers import with_driver
from tests.pgbouncer import pgbouncer, require
from tests.soak.schema import FUNCTION, VIEW, Detail, Entry, Roles, prepare

CLIENTS: Final = 200
CONNECTIONS: Final = 10
TENANTS: Final = 50
ROUNDS: Final = 2

ASYNCPG: Final[dict[str, Any]] = {
    "poolclass": NullPool,
    "connect_args": {
        "statement_cache_size": 0,
        "prepared_statement_cache_size": 0,
        "prepared_statement_name_func": lambda: f"__asyncpg_{uuid.uuid4()}__",
    },
}
PSYCOPG: Final[dict[str, Any]] = {"connect_args": {"prepare_threshold": None}}


@dataclass
class Place:
    """A database, its roles, and PgBouncer's address for it."""

    here: Database
    roles: Roles
    folder: str

    def url(self, driver: str) -> URL:
        return with_driver(self.roles.url(self.here.url, self.folder), driver)


@pytest.fixture(scope="module")
def place() -> Generator[Place]:
    require()
    with database("postgresql") as here:
        roles = prepare(here)
        host = here.url.query["host"]
        assert isinstance(host, str)
        with pgbouncer(host, users=[roles.application], size=CONNECTIONS) as folder:
            yield Place(here, roles, folder)


@dataclass
class Seen:
    """What all clients have seen.

    Attributes:
        owners: the tenants of the rows that were read, by the reader's tenant.
        served: the clients of a server connection, by its process id.
        nobodys: what was read without a tenant in scope.
    """

    owners: dict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    served: dict[int, set[str]] = field(default_factory=lambda: defaultdict(set))
    nobodys: list[Any] = field(default_factory=list)

    def check(self) -> None:
        assert self.owners == {tenant: {tenant} for tenant in map(tenant_of, range(CLIENTS))}
        assert self.nobodys == []
        # So some connections served several tenants; otherwise the test could not fail.
        assert len(self.served) <= CONNECTIONS < TENANTS


def tenant_of(client: int) -> str:
    return f"tenant-{client % TENANTS}"


def write(session: Session, tenant: str) -> None:
    entry = Entry(owner=tenant, name=uuid.uuid4().hex, token="")
    entry.details.append(Detail(owner=tenant))
    session.add(entry)
    session.flush()


def read(session: Session, tenant: str, seen: Seen) -> None:
    """Read all that there is, past the guard and through it."""
    served = session.scalars(text("SELECT pg_backend_pid()")).one()
    seen.served[served].add(tenant)
    for sql in (
        "SELECT owner FROM soak_entry",
        "SELECT owner FROM soak_detail",
        f"SELECT owner FROM {VIEW}",
        f"SELECT owner FROM {FUNCTION}()",
    ):
        seen.owners[tenant].update(raw(session, sql))
    seen.owners[tenant].update(each.owner for each in session.scalars(select(Entry)))


def raw(session: Session, sql: str) -> list[Any]:
    cursor = session.connection().connection.cursor()
    cursor.execute(sql)
    found = [row[0] for row in cursor.fetchall()]
    cursor.close()
    return found


def look_for_nobody(session: Session, seen: Seen) -> None:
    seen.nobodys.extend(raw(session, f"SELECT owner FROM {VIEW}"))


@pytest.mark.parametrize(
    ("driver", "options"), [("psycopg", PSYCOPG), ("psycopg2", {}), ("pg8000", {})]
)
def test_sync_drivers_in_threads(place: Place, driver: str, options: dict[str, Any]) -> None:
    engine = create_engine(place.url(driver), pool_size=CLIENTS, **options)
    rls.enforce(engine)
    seen = Seen()

    def client(number: int) -> None:
        tenant = tenant_of(number)
        for _ in range(ROUNDS):
            with tenant_scope(tenant):
                with Session(engine) as session:
                    write(session, tenant)
                    session.commit()
                with Session(engine) as session:
                    read(session, tenant, seen)
            with Session(engine) as session:
                look_for_nobody(session, seen)

    try:
        with ThreadPoolExecutor(CLIENTS) as threads:
            for _ in threads.map(client, range(CLIENTS)):
                pass
    finally:
        engine.dispose()
    seen.check()


@pytest.mark.parametrize(
    ("driver", "options"),
    [("psycopg", {**PSYCOPG, "pool_size": CLIENTS}), ("asyncpg", ASYNCPG)],
    ids=["psycopg", "asyncpg"],
)
async def test_async_drivers(place: Place, driver: str, options: dict[str, Any]) -> None:
    engine = create_async_engine(place.url(driver), **options)
    rls.enforce(engine)
    seen = Seen()

    async def client(number: int) -> None:
        tenant = tenant_of(number)
        for _ in range(ROUNDS):
            with tenant_scope(tenant):
                async with AsyncSession(engine) as session:
                    await session.run_sync(write, tenant)
                    await session.commit()
                async with AsyncSession(engine) as session:
                    await session.run_sync(read, tenant, seen)
            async with AsyncSession(engine) as session:
                await session.run_sync(look_for_nobody, seen)

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(client(number))
    finally:
        await engine.dispose()
    seen.check()


@pytest.fixture
def single(place: Place) -> Generator[Place]:
    """One connection to the server, which forgets nothing: whoever comes next gets it as is."""
    with pgbouncer(
        str(place.here.url.query["host"]), users=[place.roles.application], size=1, reset=False
    ) as folder:
        yield Place(place.here, place.roles, folder)


def left_behind(place: Place) -> list[Any]:
    """Return the rows' tenants and the role that the next client sees, without SQLAlchemy."""
    with psycopg.connect(
        host=place.folder,
        user=place.roles.application,
        dbname=place.here.url.database,
        prepare_threshold=None,
    ) as connection:
        rows = connection.execute("SELECT owner FROM soak_entry").fetchall()
        return [*rows, *connection.execute("SELECT current_user")]


@pytest.mark.parametrize(("driver", "options"), [("psycopg", PSYCOPG), ("asyncpg", ASYNCPG)])
@pytest.mark.parametrize("ending", ["commit", "rollback", "close"])
@pytest.mark.parametrize("whose", [tenant_scope, system_scope])
async def test_nothing_is_left_with_the_servers_connection(
    single: Place,
    driver: str,
    options: dict[str, Any],
    ending: str,
    whose: Callable[[str], AbstractContextManager[Any]],
) -> None:
    engine = create_async_engine(single.url(driver), **{"poolclass": NullPool, **options})
    rls.enforce(engine, system_role=single.roles.system)
    with tenant_scope("first"):
        async with AsyncSession(engine) as session:
            await session.run_sync(write, "first")
            await session.commit()
    with whose("first"):
        session = AsyncSession(engine)
        found = await session.run_sync(raw, "SELECT owner FROM soak_entry")
        assert "first" in found
        await getattr(session, ending)()
        await session.close()
    assert left_behind(single) == [(single.roles.application,)]
    await engine.dispose()


@pytest.mark.parametrize(("driver", "options"), [("psycopg", PSYCOPG), ("asyncpg", ASYNCPG)])
async def test_a_leftover_role_is_not_mistaken_for_the_login_role(
    single: Place, driver: str, options: dict[str, Any]
) -> None:
    # With a pool, so that the connection was checked before.
    engine = create_async_engine(
        single.url(driver), **{**options, "poolclass": AsyncAdaptedQueuePool}
    )
    rls.enforce(engine)
    careless = create_engine(single.url("psycopg"), poolclass=NullPool, **PSYCOPG)
    for role, refusal in (
        (single.roles.application, nullcontext()),
        (single.roles.system, pytest.raises(ConfigurationError, match="leave SET ROLE")),
        (single.roles.application, nullcontext()),
    ):
        with careless.begin() as connection:
            connection.connection.cursor().execute(f"SET ROLE {role}")
        with refusal, tenant_scope("first"):
            async with AsyncSession(engine) as session:
                await session.run_sync(raw, "SELECT owner FROM soak_entry")
    careless.dispose()
    await engine.dispose()


def test_what_is_set_for_a_session_does_go_to_others(single: Place) -> None:
    """The other tests could not fail if PgBouncer itself isolated sessions."""
    url = single.url("psycopg")
    engine = create_engine(url, poolclass=NullPool, **PSYCOPG)
    with engine.begin() as connection:
        # On the driver's cursor, since the guard refuses it.
        cursor = connection.connection.cursor()
        cursor.execute("SELECT set_config('tenantshield.text', 'left', false)")
    with engine.connect() as connection:
        setting = select(text("current_setting('tenantshield.text', true)"))
        assert connection.scalar(setting) == "left"
    # On a new client connection that uses the same server connection.
    held = create_engine(url, poolclass=NullPool, **PSYCOPG)
    rls.enforce(held)
    with held.connect() as connection:
        assert connection.scalar(setting) == ""
    with tenant_scope("right"), held.connect() as connection:
        assert connection.scalar(setting) == "right"
    engine.dispose()
    held.dispose()


@pytest.mark.parametrize(("driver", "options"), [("psycopg", PSYCOPG), ("asyncpg", ASYNCPG)])
async def test_a_pooler_that_was_not_named_is_noticed_where_tenants_are_signed(
    place: Place, driver: str, options: dict[str, Any]
) -> None:
    """The signature would be for the backend of another transaction."""
    engine = create_async_engine(place.url(driver), **options)
    rls.enforce(engine, key=secrets.token_bytes(32))
    with tenant_scope("first"), pytest.raises(ConfigurationError, match="pooled=True"):
        async with AsyncSession(engine) as session:
            await session.run_sync(raw, "SELECT owner FROM soak_entry")
    await engine.dispose()
