"""The arguments that the commands have in common: the tables, the database and the tenant."""

from __future__ import annotations

import base64
import binascii
import os
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, Table, event, func, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.orm import configure_mappers

from tenantshield_mw.context import tenant_scope
from tenantshield_mw.errors import TenantResolutionError
from tenantshield_mw.tenant import TenantId, check_tenant_id

from ..doctor.targets import label_of, metadata_at, saying_what_failed, sync_engine_at
from ..errors import ConfigurationError
from ..rls.specification import spec_of_table
from ..rls.sql import table_name
from ..rls.transactions import enforce
from .plan import Plan, plan_of

__all__ = [
    "Opened",
    "begin_transactions",
    "has_policies",
    "opened",
    "tenant_id_of",
    "transaction",
]


@dataclass(frozen=True, slots=True)
class Opened:
    """A database and what it holds.

    Attributes:
        engine: the engine, whose transactions tell the tenant where there are policies.
        plan: the tables.
    """

    engine: Engine
    plan: Plan


@contextmanager
def opened(target: str, database: str, key_variable: str | None = None) -> Generator[Opened]:
    """Yield the database with the tables of ``module:attribute``.

    Args:
        target: the tables.
        database: the URL, with a sync driver.
        key_variable: the environment variable with the key for signed tenants, in base64.

    Raises:
        ConfigurationError: an argument is invalid, or the database cannot be used.
    """
    metadata = metadata_at(target)
    configure_mappers()
    plan = plan_of(metadata)
    engine = sync_engine_at(database)
    try:
        with (
            saying_what_failed(f"could not use {label_of(engine.url)}", engine.url),
            warnings.catch_warnings(),
        ):
            # Numbers of SQLite are read and written as an application does it.
            warnings.filterwarnings("ignore", r"Dialect sqlite.* does \*not\* support Decimal")
            begin_transactions(engine)
            if has_policies(engine, plan):
                enforce(engine, key=_key(plan, key_variable))
            yield Opened(engine, plan)
    finally:
        engine.dispose()


def tenant_id_of(text: str, plan: Plan) -> TenantId:
    """Return the tenant that ``text`` names, of the type of the tenant columns.

    Raises:
        ConfigurationError: it names none.
    """
    kind = plan.tenant_type
    try:
        return check_tenant_id(kind(text))
    except (TenantResolutionError, ValueError) as error:
        said = f": {error}" if isinstance(error, TenantResolutionError) else ""
        raise ConfigurationError(
            f"the tenant is no {kind.__name__}, which the tenant columns hold{said}"
        ) from None


@contextmanager
def transaction(
    engine: Engine, tenant_id: TenantId, isolation: str | None = None
) -> Generator[Connection]:
    """Yield a connection in a transaction, under the tenant.

    Args:
        engine: the engine.
        tenant_id: the tenant.
        isolation: its isolation level, where that is not SQLite's, which has one only.
    """
    with tenant_scope(tenant_id), engine.connect() as connection:
        if isolation is not None and engine.dialect.name != "sqlite":
            connection.execution_options(isolation_level=isolation)
        with connection.begin():
            yield connection


def begin_transactions(engine: Engine) -> None:
    """Let SQLAlchemy begin SQLite's transactions, and SQLite check foreign keys.

    https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#enabling-non-legacy-sqlite-transactional-modes-with-the-sqlite3-or-aiosqlite-driver
    """
    if engine.dialect.name != "sqlite":
        return

    @event.listens_for(engine, "connect")
    def connect(connection: Any, record: Any) -> None:
        connection.isolation_level = None
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN")


def has_policies(engine: Engine, plan: Plan) -> bool:
    """Return whether policies apply to the role of the engine."""
    if engine.dialect.name != "postgresql":
        return False
    with engine.connect() as connection:
        return any(connection.scalar(_is_active(table)) for table in plan.tables)


def _is_active(table: Table) -> Select[Any]:
    return select(
        func.pg_catalog.row_security_active(
            func.pg_catalog.to_regclass(table_name(table.schema, table.name))
        )
    )


def _key(plan: Plan, variable: str | None) -> bytes | None:
    if variable is None:
        if any((spec := spec_of_table(each)) and spec.signed for each in plan.tables):
            raise ConfigurationError(
                "the policies believe signed tenants only: name the environment variable that "
                "holds the key, in base64, by --key"
            )
        return None
    try:
        return base64.b64decode(os.environ[variable], validate=True)
    except KeyError:
        raise ConfigurationError(f"there is no environment variable {variable}") from None
    except binascii.Error:
        raise ConfigurationError(f"the environment variable {variable} is not base64") from None
