"""Checks that a tenant's table is found in the tenant's schema and nowhere else, and its types
where they are the same for all tenants.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Table
from sqlalchemy.engine import Dialect

from ..errors import ConfigurationError, UnguardedStatementError
from ..ownership.registry import registry
from ..transactions import Send
from .schemas import Schemas
from .types import columns_by_type, prepares

__all__ = ["Tables"]


class _Kind(NamedTuple):
    """How something is looked up by its schema and its name.

    Attributes:
        select: a ``SELECT`` of one of them, without its conditions.
        name: the column of the name.
    """

    select: str
    name: str


# All operators and functions are PostgreSQL's own: the search path is not set yet.
_TABLES: Final = _Kind(
    "SELECT pg_catalog.min(pg_catalog.concat(n.nspname, '.', c.relname)) "
    "FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n "
    "ON n.oid OPERATOR(pg_catalog.=) c.relnamespace WHERE ",
    "c.relname",
)
_TYPES: Final = _Kind(
    "SELECT pg_catalog.min(t.typname::pg_catalog.text) "
    "FROM pg_catalog.pg_type AS t JOIN pg_catalog.pg_namespace AS n "
    "ON n.oid OPERATOR(pg_catalog.=) t.typnamespace "
    # Enumerated types and domains; each table has a type of its name, too.
    "WHERE t.typtype::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY['e', 'd']) AND ",
    "t.typname",
)
_IN: Final = "{column}::pg_catalog.text OPERATOR(pg_catalog.=) ANY (ARRAY[{values}])"

_CHUNK: Final = 1_000


class Tables:
    """The check of one database, made again when the declarations have changed.

    Args:
        schemas: how its schemas are used.
        dialect: the dialect of its engine.
        send: executes a ``SELECT``, and returns its only row.
    """

    def __init__(self, schemas: Schemas, dialect: Dialect, send: Send) -> None:
        self._shared = schemas.shared
        self._common = schemas.common
        self._dialect = dialect
        self._send = send
        self._checked: int | None = None

    def check(self, dbapi_connection: Any, schema: str) -> None:
        """Check once that no table of tenants is where all tenants would find the same one.

        Args:
            dbapi_connection: a connection to the database.
            schema: the schema of the tenant in scope.

        Raises:
            ConfigurationError: there is one in a schema that is common to all tenants, or the
                model names the schema of one; or a column of one has a type that each schema has
                of its own.
        """
        generation = registry.generation
        if self._checked == generation:
            return
        owned = [table for table in registry.tables() if _is_owned(table)]
        plain = sorted({table.name for table in owned if table.schema is None})
        if self._common and plain:
            found = self._found(dbapi_connection, self._common, plain)
            if found is not None:
                raise ConfigurationError(
                    f"the table {found!r} has the name of one that holds tenants' rows, and is in "
                    "a schema of Schemas(common=...), where each tenant would find it whose own "
                    "schema lacks it: leave only tables there that belong to no tenant"
                )
        for named in sorted({table.schema for table in owned if table.schema is not None}):
            names = sorted({table.name for table in owned if table.schema == named})
            found = self._found(dbapi_connection, (named,), names)
            if found is not None:
                raise ConfigurationError(
                    f"the table {found!r} holds tenants' rows, and its model names the schema, so "
                    "a tenant's own would not be used: leave the schema out of the model"
                )
        self._check_types(dbapi_connection, (self._shared, schema), owned)
        self._checked = generation

    def _check_types(
        self, dbapi_connection: Any, schemas: Sequence[str], owned: Sequence[Table]
    ) -> None:
        if not prepares(self._dialect, dbapi_connection):
            return
        columns = columns_by_type(owned, self._dialect)
        found = self._found(dbapi_connection, schemas, sorted(columns), _TYPES)
        if found is not None:
            raise ConfigurationError(
                f"the column {columns[found]!r} has the type {found!r}, of which each schema has "
                f"one of its own, and statements that {self._dialect.driver} prepares keep that "
                "of the first tenant: put the type into a schema of Schemas(common=...), as in "
                'Enum(..., schema="common"), or store text, Enum(..., native_enum=False)'
            )

    def _found(
        self,
        dbapi_connection: Any,
        schemas: Sequence[str],
        names: Sequence[str],
        kind: _Kind = _TABLES,
    ) -> str | None:
        """Return one of the tables, or types, if any exists."""
        for start in range(0, len(names), _CHUNK):
            chunk = names[start : start + _CHUNK]
            sql = f"{kind.select}{_in('n.nspname', schemas)} AND {_in(kind.name, chunk)}"
            found: str | None
            (found,) = self._send(dbapi_connection, sql, (*schemas, *chunk))
            if found is not None:
                return found
        return None


def _in(column: str, values: Sequence[str]) -> str:
    return _IN.format(column=column, values=", ".join(["%s::pg_catalog.text"] * len(values)))


def _is_owned(table: Table) -> bool:
    try:
        return registry.ownership_of(table) is not None
    except UnguardedStatementError:
        # It could be.
        return True
