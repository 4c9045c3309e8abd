"""The tables and rows of one database: made, read and put back by the driver."""

from __future__ import annotations

import re
import uuid
from collections.abc import Collection, Generator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, Final

from sqlalchemy import Engine, Table, create_mock_engine, event
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.databases import Database, DatabaseName
from tests.policy_database import PolicyDatabase

from .protections import Protection
from .rows import Content, seed
from .schema import SCHEMA, Models

__all__ = ["Store", "attach_to"]


class Store:
    """The tables of the models in one database, with the two tenants' rows.

    Attributes:
        engine: a sync engine on it.
        async_engine: an async one.
        seed: the rows, as :meth:`read` finds them when nothing was changed.
    """

    def __init__(self, protection: Protection, models: Models, here: Database) -> None:
        self.protection = protection
        self.models = models
        self.database = here
        self.seed: Content = {
            table: sorted(
                ({key: _kept(value) for key, value in row.items()} for row in rows), key=_order
            )
            for table, rows in seed(models, protection.mine, protection.theirs).items()
        }
        self.engine: Engine = here.engine()
        self.async_engine: AsyncEngine = here.async_engine()
        self._stack = ExitStack()
        self._build()

    def close(self) -> None:
        """Close what is not an engine's, and drop what is not the database's."""
        self._stack.close()
        if self.database.name == "mariadb":
            self.database.run(f"DROP DATABASE {SCHEMA}")

    def named(self, sql: str) -> str:
        """Return ``sql`` with this run's names in it, and this database's quotes."""
        mine, theirs = self.protection.mine, self.protection.theirs
        text = sql.replace("{key}", self.models.key).replace("{schema}", SCHEMA)
        text = text.replace("{mine}", repr(mine)).replace("{theirs}", repr(theirs))
        return text.replace('"', "`") if self.database.name == "mariadb" else text

    def change(self, sql: str) -> None:
        """Run ``sql`` by the driver."""
        with self._as_owner():
            self._cursor.execute(self.named(sql))

    @contextmanager
    def _as_owner(self) -> Generator[None, None, None]:
        """Let what is made belong to somebody for whom policies hold, if there are any."""
        if not isinstance(self.database, PolicyDatabase):
            yield
            return
        self._cursor.execute(f"SET ROLE {self.database.owner}")
        try:
            yield
        finally:
            self._cursor.execute("RESET ROLE")

    def read(self) -> Content:
        content: Content = {}
        for table in self.models.metadata.sorted_tables:
            keys = list(self.seed[table.fullname][0])
            names = ", ".join(f'"{key}"' for key in keys)
            self._cursor.execute(self.named(f"SELECT {names} FROM {self._alone(table)}"))
            rows = [
                {key: _kept(value) for key, value in zip(keys, row, strict=True)}
                for row in self._cursor.fetchall()
            ]
            content[table.fullname] = sorted(rows, key=_order)
        return content

    def _alone(self, table: Table) -> str:
        """Return the name of ``table``, without the tables that inherit from it."""
        only = "ONLY " if self.database.name == "postgresql" else ""
        return f"{only}{_quoted(table)}"

    def _attached(self) -> str:
        return f"{self.database.url.database}.{SCHEMA}"

    def _build(self) -> None:
        if self.database.name == "sqlite":
            for engine in (self.engine, self.async_engine.sync_engine):
                attach_to(engine, self._attached())
        else:
            self.database.run(f"CREATE SCHEMA {SCHEMA}")
            if isinstance(self.database, PolicyDatabase):
                self.database.open_schema(SCHEMA)
        # Kept open, since every way is judged by it.
        self._cursor = self._stack.enter_context(self.database.dbapi()).cursor()
        if self.database.name == "sqlite":
            self._cursor.execute(f"ATTACH DATABASE '{self._attached()}' AS {SCHEMA}")
        for setting in _SETTINGS[self.database.name]:
            self._cursor.execute(setting)
        statements: list[str] = []
        mock: Any = create_mock_engine(
            self.database.url,
            lambda element, *_, **__: statements.append(str(element.compile(dialect=mock.dialect))),
        )
        self.models.metadata.create_all(mock, checkfirst=False)
        self._ddl = [*statements, *self.protection.policies(self.models.metadata)]
        self._create()
        self.restore(self.seed)
        assert self.read() == self.seed

    def _create(self) -> None:
        with self._as_owner():
            for statement in self._ddl:
                self._cursor.execute(statement)
        if isinstance(self.database, PolicyDatabase):
            self.database.grant()

    def restore(self, names: Collection[str]) -> None:
        """Put the rows of these tables back."""
        tables = [each for each in self.models.metadata.sorted_tables if each.fullname in names]
        mark = "?" if self.database.name == "sqlite" else "%s"
        self._cursor.execute("BEGIN")
        for table in tables:
            self._cursor.execute(self.named(f"DELETE FROM {self._alone(table)}"))
        for table in tables:
            rows = [
                {key: value for key, value in row.items() if table.c[key].computed is None}
                for row in self.seed[table.fullname]
            ]
            keys = ", ".join(f'"{key}"' for key in rows[0])
            marks = ", ".join([mark] * len(rows[0]))
            self._cursor.execute(
                self.named(
                    f"INSERT INTO {_quoted(table)} ({keys}) VALUES "
                    + ", ".join([f"({marks})"] * len(rows))
                ),
                [value for row in rows for value in row.values()],
            )
        self._cursor.execute("COMMIT")
        self._number(tables)

    def _number(self, tables: list[Table]) -> None:
        """Let new rows get ids from 901 up."""
        for table in tables:
            column = table.autoincrement_column
            if column is None or column.foreign_keys:
                continue
            if self.database.name == "postgresql":
                self._cursor.execute(
                    "SELECT setval(pg_get_serial_sequence(%s, %s), 900)",
                    (_quoted(table), column.name),
                )
            elif self.database.name == "mariadb":
                self._cursor.execute(self.named(f"ALTER TABLE {_quoted(table)} AUTO_INCREMENT = 1"))

    def _default(self) -> str:
        """Return the schema of the tables whose schema is not named."""
        if self.database.name == "mariadb":
            return str(self.database.url.database)
        return str(self.database.read("SELECT current_schema()")[0][0])

    def rebuild(self) -> None:
        """Make all tables anew."""
        for name, kind in self._existing():
            cascade = " CASCADE" if self.database.name == "postgresql" else ""
            self._cursor.execute(self.named(f"DROP {kind} IF EXISTS {name}{cascade}"))
        self._create()
        self.restore(self.seed)

    def _existing(self) -> list[tuple[str, str]]:
        if self.database.name == "sqlite":
            query = " UNION ALL ".join(
                f"SELECT '{schema}', name, type FROM {schema}.sqlite_master "
                "WHERE type IN ('table', 'view') AND name NOT LIKE 'sqlite%'"
                for schema in ("main", SCHEMA)
            )
        else:
            query = (
                "SELECT table_schema, table_name, table_type FROM information_schema.tables "
                f"WHERE table_schema IN ('{self._default()}', '{SCHEMA}')"
            )
        self._cursor.execute(query)
        return [
            (f'{schema}."{name}"', "VIEW" if kind.upper() == "VIEW" else "TABLE")
            for schema, name, kind in self._cursor.fetchall()
        ]


_SETTINGS: Final[Mapping[DatabaseName, tuple[str, ...]]] = {
    "sqlite": (
        "PRAGMA foreign_keys = OFF",
        "PRAGMA synchronous = OFF",
        # Lets a way leave a transaction open while another writes.
        "PRAGMA main.journal_mode = WAL",
        f"PRAGMA {SCHEMA}.journal_mode = WAL",
    ),
    # A way that left a transaction open makes the next restoration fail, not hang.
    "postgresql": ("SET session_replication_role = replica", "SET lock_timeout = '5s'"),
    "mariadb": ("SET foreign_key_checks = 0", "SET innodb_lock_wait_timeout = 5"),
}


def attach_to(engine: Engine, path: str) -> None:
    @event.listens_for(engine, "connect")
    def attach(connection: Any, record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"ATTACH DATABASE '{path}' AS {SCHEMA}")
        cursor.close()


def _quoted(table: Table) -> str:
    return f'{table.schema}."{table.name}"' if table.schema else f'"{table.name}"'


def _order(row: Mapping[str, Any]) -> str:
    return repr(list(row.values()))


def _kept(value: Any) -> Any:
    """Return ``value`` in the one form that all databases and drivers take and compare."""
    if isinstance(value, uuid.UUID):
        return value.hex
    if isinstance(value, str) and _UUID.fullmatch(value):
        return value.replace("-", "")
    return value


_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
