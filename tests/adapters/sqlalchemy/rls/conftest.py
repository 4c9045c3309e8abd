"""A PostgreSQL database with policies, and an application that logs in as an ordinary role."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

import pytest
from sqlalchemy import URL, Engine, MetaData, create_engine, text
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy import rls
from tenantshield_mw.adapters.sqlalchemy.rls.policies import statements_to_create
from tests.databases import Database, database
from tests.drivers import with_driver

from .models import Base, mark
from .specs import SPECS, TABLES

T = TypeVar("T")
Read: TypeAlias = Callable[[str], list[tuple[Any, ...]]]

Driver: TypeAlias = Literal["psycopg", "psycopg_async", "psycopg2", "pg8000", "asyncpg"]
DRIVERS: Final[tuple[Driver, ...]] = get_args(Driver)
SIGNING: Final[tuple[Driver, ...]] = ("psycopg", "psycopg_async", "asyncpg")
"""The drivers with which tenants can be signed."""
ASYNC: Final[tuple[Driver, ...]] = ("psycopg_async", "asyncpg")


@dataclass
class RlsDatabase:
    """A database whose tables have policies, and the roles that come to it.

    Attributes:
        here: the database, with the rights of a superuser.
        owner: a role that owns the tables and is nothing else.
        app: a role that may read and write, and take on ``system``.
        system: a role with ``BYPASSRLS``.
    """

    here: Database
    owner: str
    app: str
    system: str
    _stack: ExitStack = field(default_factory=ExitStack)

    def url(self, role: str, driver: Driver = "psycopg") -> URL:
        return with_driver(self.here.url, driver).set(username=role)

    def engine(self, role: str, **options: Any) -> Engine:
        engine = create_engine(self.url(role), **options)
        self._stack.callback(engine.dispose)
        return engine

    def create(self, metadata: MetaData) -> None:
        """Create the tables and policies as their owner, and grant the other roles privileges."""
        with self.engine(self.owner).begin() as connection:
            metadata.create_all(connection)
            rls.create_policies(connection, metadata)
        self.grant()

    def create_signed(self, *metadatas: MetaData, keys: Sequence[bytes] = ()) -> None:
        """Create the tables with policies for signed tenants, and store the keys."""
        for metadata in metadatas:
            rls.configure(metadata, roles=[self.app], signed=True, system_role=self.system)
            try:
                self.create(metadata)
            finally:
                metadata.info.clear()
        with self.engine(self.owner).begin() as connection:
            rls.store_keys(connection, keys)

    def grant(self) -> None:
        for role in (self.app, self.system):
            self.here.run(
                f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}",
                f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
            )

    def close(self) -> None:
        self._stack.close()


@contextmanager
def signed_database() -> Generator[RlsDatabase, None, None]:
    """Yield a new database for signed tenants: none of its roles has ``BYPASSRLS``."""
    with (
        database("postgresql") as here,
        # Without INHERIT, the policies for the system role do not apply to the application's.
        here.roles(owner="LOGIN", app="LOGIN NOINHERIT", system="") as (owner, app, system),
    ):
        here.run(
            f"GRANT {system} TO {app}",
            f"GRANT CREATE, USAGE ON SCHEMA public TO {owner}",
            f"GRANT CREATE ON DATABASE {here.url.database} TO {owner}",
        )
        made = RlsDatabase(here, owner, app, system)
        try:
            yield made
        finally:
            made.close()


@contextmanager
def rls_database() -> Generator[RlsDatabase, None, None]:
    """Yield a new database with its own roles."""
    with (
        database("postgresql") as here,
        here.roles(owner="LOGIN", app="LOGIN", system="BYPASSRLS") as (owner, app, system),
    ):
        here.run(f"GRANT {system} TO {app}", f"GRANT CREATE, USAGE ON SCHEMA public TO {owner}")
        made = RlsDatabase(here, owner, app, system)
        try:
            yield made
        finally:
            made.close()


class Client:
    """Runs code with a session on an engine with ``enforce()``, through one driver."""

    def __init__(self, base: RlsDatabase, driver: Driver, **options: Any) -> None:
        self.driver = driver
        self._runner = asyncio.Runner()
        self.async_engine: AsyncEngine | None = None
        told = {name: options.pop(name) for name in ("key", "pooled", "citus") if name in options}
        system_role = options.pop("system_role", None if "citus" in told else base.system)
        url = base.url(options.pop("role", base.app), driver)
        if driver not in ASYNC:
            self.engine = create_engine(url, **options)
        else:
            self.async_engine = create_async_engine(url, **options)
            self.engine = self.async_engine.sync_engine
        rls.enforce(self.async_engine or self.engine, system_role=system_role, **told)

    def session(self, run: Callable[[Session], T]) -> T:
        """Call ``run`` with a new session, and close it afterwards."""
        if self.async_engine is None:
            with Session(self.engine) as session:
                return run(session)
        engine = self.async_engine

        async def within() -> T:
            async with AsyncSession(engine) as session:
                return await session.run_sync(run)

        # The runner keeps the context of its first call.
        return self._runner.run(within(), context=contextvars.copy_context())

    def close(self) -> None:
        if self.async_engine is None:
            self.engine.dispose()
        else:
            self._runner.run(self.async_engine.dispose())
        self._runner.close()


@contextmanager
def detached(engine: Engine, *, begins: bool = False) -> Generator[Connection]:
    """Yield a connection that is detached from its pool, after or before it has begun."""
    with engine.connect() as connection:
        if begins:
            connection.execute(text("SELECT 1"))
        connection.detach()
        inner: Any = connection.connection.dbapi_connection
        yield connection
    if engine.dialect.is_async and not engine.dialect.has_terminate:
        # SQLAlchemy leaves those of psycopg open.
        inner.close()


def by_cursor(session: Session, sql: str) -> list[tuple[Any, ...]]:
    """Run ``sql`` on the driver's own cursor, on the session's connection."""
    cursor = session.connection().connection.cursor()
    try:
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []
    finally:
        cursor.close()


@pytest.fixture(scope="module")
def base() -> Iterator[RlsDatabase]:
    with rls_database() as made:
        yield made


@pytest.fixture(params=DRIVERS)
def client(base: RlsDatabase, request: pytest.FixtureRequest) -> Iterator[Client]:
    made = Client(base, request.param, pool_size=1, max_overflow=0)
    yield made
    made.close()


@pytest.fixture
def everything(base: RlsDatabase) -> Read:
    """Returns rows as a superuser sees them, through the driver."""

    def read(sql: str) -> list[tuple[Any, ...]]:
        with system_scope("to see what is there"):
            return base.here.read(sql)

    return read


@pytest.fixture(scope="module")
def tables(base: RlsDatabase) -> None:
    """The tables of ``models``, with their policies."""
    mark()
    base.create(Base.metadata)


@pytest.fixture
def rows(base: RlsDatabase, tables: None) -> None:
    """Give each of two tenants a cellar with a tasted bottle."""
    names = ", ".join(f'"{table.name}"' for table in Base.metadata.tables.values())
    base.here.run(f"TRUNCATE {names} RESTART IDENTITY CASCADE")
    for number, tenant in enumerate(("acme", "globex"), 1):
        base.here.run(
            f"""INSERT INTO "floor Cellar" VALUES ({number}, '{tenant}', '{tenant}', NULL)""",
            f"INSERT INTO floor_bottle VALUES ({number}, {number}, '{tenant}')",
            f"INSERT INTO floor_tasting VALUES ({number}, {number}, '{tenant}')",
            f"INSERT INTO floor_label VALUES ({number}, '{tenant}', {number})",
        )


@pytest.fixture(params=["psycopg", "psycopg2"])
def app(base: RlsDatabase, rows: None, request: pytest.FixtureRequest) -> Iterator[Client]:
    client = Client(base, request.param)
    yield client
    client.close()


@pytest.fixture(scope="module")
def db() -> Iterator[Database]:
    """A database with the tables of ``specs``."""
    with database("postgresql") as here:
        here.run(*TABLES)
        yield here


@pytest.fixture
def engine(db: Database) -> Iterator[Engine]:
    """An engine on it, when every table has its policies."""
    engine = db.engine()
    db.run(*(text for each in SPECS for text in statements_to_create(each, SPECS)))
    yield engine
    engine.dispose()
