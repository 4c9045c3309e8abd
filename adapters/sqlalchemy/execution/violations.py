"""Tell a reference to another tenant's row that the database refused, as the guard tells one.

A foreign key that includes the tenant is checked by the database (see
``ownership/foreign_key.py``), whose error does not say that it is about tenants. Nor does that
about a row without a tenant, which a system scope does not fill in: it gets a note.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final, cast

from sqlalchemy import Table, select
from sqlalchemy.engine import Connection

from tenantshield_mw.context import SystemContext, current_bound
from tenantshield_mw.tenant import TenantContext

from ..compiler.foreign_keys import not_of_tenant
from ..compiler.joins import base_table
from ..compiler.nulls import null_error
from ..compiler.predicates import keys_of
from ..databases import sqlstate
from ..errors import CrossTenantAccessError
from ..internals import hook
from ..ownership.model import ColumnOwnership, ParentKey, table_label, without_tenant
from ..ownership.registry import registry

__all__ = ["hook_errors"]

_COLUMNS: Final = re.compile(
    # PostgreSQL, and MySQL and MariaDB.
    r"Key \((?P<a>[^)]*)\)=\(.* is not present in table"
    r"|child row: .*? FOREIGN KEY \((?P<b>[^)]*)\) REFERENCES",
    re.DOTALL,
)

_NULL: Final = re.compile(
    # SQLite, PostgreSQL, and MySQL and MariaDB.
    r"(?:NOT NULL constraint failed: [^\s.]+\.|null value in column \"|Column '|Field ')"
    r"(?P<column>[^\"'\s]+)"
)

_SEVERAL_ROWS: Final = 1242
"""The error of MySQL and MariaDB by which ``nulls.py`` has a statement fail."""

_FOREIGN_KEY_VIOLATION: Final = "23503"

_SQLITE: Final = "SQLITE_CONSTRAINT_FOREIGNKEY"
"""SQLite's error, which does not say which foreign key it is."""


def hook_errors() -> None:
    """Have every connection raise such an error as ``CrossTenantAccessError``."""
    handle: Any = Connection._handle_dbapi_exception

    # private: raises the error of a driver. The public event, handle_error, would make
    # SQLAlchemy look for listeners at each statement.
    @functools.wraps(handle)
    def telling(
        self: Connection,
        e: Any,
        statement: Any,
        parameters: Any,
        cursor: Any,
        context: Any,
        is_sub_exec: bool = False,
    ) -> Any:
        error = _as_cross_tenant(self, e, context)
        if error is None:
            with _explaining_null(e, context):
                return handle(self, e, statement, parameters, cursor, context, is_sub_exec)
        try:
            handle(self, e, statement, parameters, cursor, context, is_sub_exec)
        except Exception as original:
            raise error from original

    hook(Connection, telling)


@contextmanager
def _explaining_null(error: BaseException, context: Any) -> Generator[None]:
    """Add a note to what is raised if ``error`` says that a row has no tenant in a system scope."""
    try:
        yield
    except Exception as raised:
        told = _NULL.search(str(error)) if isinstance(current_bound(), SystemContext) else None
        table = None if told is None else _written(context)
        rule = None if table is None else registry.ownership_of(table)
        if told is not None and isinstance(rule, ColumnOwnership) and rule.column == told["column"]:
            raised.add_note(
                f"A system scope names no tenant, so {rule.label}.{rule.column} is not filled in: "
                "give the row its tenant, or write it in tenant_scope(...)."
            )
        raise


def _written(context: Any) -> Table | None:
    compiled = None if context is None else context.compiled
    written: Any = getattr(getattr(compiled, "statement", None), "table", None)
    table = None if written is None else base_table(written)
    return table if isinstance(table, Table) else None


def _as_cross_tenant(
    connection: Connection, error: BaseException, context: Any
) -> CrossTenantAccessError | None:
    """Return what to raise in place of ``error``; ``None`` if it is about something else."""
    compiled = None if context is None else context.compiled
    emptied = getattr(compiled, "tenantshield_fails_on_null", ())
    if emptied and error.args and error.args[0] == _SEVERAL_ROWS:
        return null_error(emptied[0])
    # private: the DBAPI's module. pg8000 has another class for all errors of the server.
    is_violation = isinstance(error, connection.dialect.loaded_dbapi.IntegrityError)
    if not is_violation and sqlstate(error) != _FOREIGN_KEY_VIOLATION:
        return None
    table = _written(context)
    if table is None or context is None:
        return None
    if not isinstance(current_bound(), TenantContext):
        return None
    violated = _violated(connection, error, table, context.compiled_parameters)
    if violated is None:
        return None
    # As where the guard looks such a key up.
    columns, _, _ = without_tenant(violated, *_ownerships(table, violated))
    return not_of_tenant(table_label(table), columns, violated.parent)


def _violated(
    connection: Connection, error: BaseException, table: Table, rows: list[Mapping[str, Any]]
) -> ParentKey | None:
    # A key that is nothing but the tenant cannot refer to another tenant's row.
    keys = [each for each in registry.keys_with_tenant(table) if len(each.columns) > 1]
    if not keys:
        return None
    if getattr(error, "sqlite_errorname", None) == _SQLITE:
        return next((key for key in keys if _is_missing(connection, table, key, rows)), None)
    # SQLAlchemy's form of asyncpg's errors leaves the details out.
    told = _COLUMNS.search(f"{error} {error.__cause__}")
    if told is None:
        return None
    columns = {each.strip(' `"') for each in (told["a"] or told["b"]).split(",")}
    return next((key for key in keys if set(key.columns) == columns), None)


def _is_missing(
    connection: Connection, table: Table, key: ParentKey, rows: list[Mapping[str, Any]]
) -> bool:
    """Return whether this tenant lacks a row that one of the written rows refers to."""
    by_name = {each.name: each for each in table.columns}
    ours, theirs, _ = without_tenant(key, *_ownerships(table, key))
    columns = [by_name[each] for each in ours]
    types = [each.type for each in columns]
    for row in rows:
        value = tuple(row.get(each.key) for each in columns)
        if None in value:
            continue
        found, criterion = keys_of(key.parent, theirs, types, [value])
        # The guard confines this query to the tenant's rows.
        if connection.execute(select(*found).where(criterion)).first() is None:
            return True
    return False


def _ownerships(table: Table, key: ParentKey) -> tuple[ColumnOwnership, ColumnOwnership]:
    owned = (registry.ownership_of(table), registry.ownership_of(key.parent))
    return cast("tuple[ColumnOwnership, ColumnOwnership]", owned)
