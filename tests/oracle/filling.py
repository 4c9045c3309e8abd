"""The two databases of the oracle, with their rows in."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Engine, create_engine, event

from tenantshield_mw import system_scope
from tests.databases import Database, DatabaseName, database
from tests.policy_database import PolicyDatabase, policy_database

from .rows import TENANT, rows, rows_of
from .schema import MENDING, plain_tables

__all__ = ["SCHEMA", "databases", "prepared"]

SCHEMA: Final = "yard"
"""The one schema that a table is in, where the database has such a thing."""


@contextmanager
def databases(
    name: DatabaseName, policies: Sequence[str] | None = None
) -> Generator[tuple[Database, Database], None, None]:
    """Yield ``mixed`` and ``alone``, with their rows in.

    Args:
        name: which kind of database.
        policies: what is executed in ``mixed``, which then is a
            :class:`~tests.policy_database.PolicyDatabase`.
    """
    with (
        database(name) if policies is None else policy_database() as mixed,
        database(name) as alone,
    ):
        for here, filling in ((mixed, rows()), (alone, rows_of(TENANT))):
            engine = prepared(
                name, create_engine(here.url) if name == "postgresql" else here.engine()
            )
            metadata = plain_tables()
            with system_scope("filling the oracle's databases"), engine.begin() as connection:
                if name == "postgresql":
                    connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
                metadata.create_all(connection)
                for table, _, values in filling:
                    connection.execute(metadata.tables[table].insert(), values)
            engine.dispose()
            if policies is not None:
                here.run(*MENDING)
        if isinstance(mixed, PolicyDatabase):
            mixed.open_schema(SCHEMA)
            mixed.grant()
            mixed.run(*(policies or ()))
        yield mixed, alone


def prepared(name: DatabaseName, engine: Engine) -> Engine:
    """Return ``engine`` with what its connections need."""
    if name == "sqlite":
        path = f"{engine.url.database}.{SCHEMA}"

        def attach(connection: Any, record: Any) -> None:
            cursor = connection.cursor()
            cursor.execute(f"ATTACH DATABASE '{path}' AS {SCHEMA}")
            cursor.execute("PRAGMA yard.synchronous = OFF")
            cursor.execute("PRAGMA journal_mode = MEMORY")
            cursor.close()

        event.listen(engine, "connect", attach)
    elif name == "mariadb":
        # A schema is a database there, and both of ours would share it.
        engine.update_execution_options(schema_translate_map={SCHEMA: None})
    else:
        event.listen(engine, "connect", _limit_time)
    return engine


def _limit_time(connection: Any, record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SET statement_timeout = '20s'")
    cursor.close()
