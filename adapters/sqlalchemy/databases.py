"""The supported databases and their differences, as one table.

Everything that the guard does on some databases only depends on this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum, auto
from typing import Any, Final

from sqlalchemy.engine import Dialect

from .errors import ConfigurationError

__all__ = [
    "DATABASES",
    "Database",
    "ExactText",
    "Risk",
    "database_for",
    "default_schemas",
    "learn_search_path",
    "search_path",
    "sqlstate",
]


class Risk(IntEnum):
    """What a condition could do on a row that another condition excludes."""

    NONE = 0
    """Nothing: it never raises."""
    LATE = 1
    """Raise, but only after other conditions of the same ``WHERE`` that compare a column."""
    FIRST = 2
    """Raise, or take effect, before any other condition is evaluated."""


class ExactText(Enum):
    """How to compare texts so that only identical texts are equal."""

    EQUALS = auto()
    """``=`` compares exactly."""
    BINARY_COLLATION = auto()
    """A column's collation may fold case; ``COLLATE BINARY`` replaces it."""
    BINARY_CAST = auto()
    """The default collations fold case; texts are compared as bytes as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """The properties of a database that matter to the guard.

    Attributes:
        schemas: further names, in lower case, for the schema of an unqualified table, besides
            the dialect's default schema.
        search_path: a query for all schemas in which an unqualified table is looked for; ``None``
            if that is the default schema alone.
        temporary_schema: the prefix of the schemas whose tables belong to one connection and
            are found before all others; ``None`` if there are none.
        row_ids: further names, in lower case, under which an integer primary key can be
            written.
        cuts_names_at: the number of bytes to which a name is cut; ``None`` if it is not.
        exact_text: how to compare texts exactly.
        hash_comments: whether ``#`` begins a comment.
        loose_quotes: whether names may be in brackets, and a string may be used as a name.
        groups_by_key: whether ``GROUP BY`` a primary key allows selecting the other columns,
            which is not possible with a derived table, since it has no key.
        reads_changed_table: whether a subquery may read the table that the statement changes.
        deletes_while_reading: whether a ``DELETE`` may delete its first row before it has found
            the last one.
        on_duplicate_key: whether upserts are ``ON DUPLICATE KEY UPDATE``, which has no ``WHERE``.
        sorts_by_price: whether cheap conditions are evaluated before others, whichever the
            statement names first.
        refuses_patterns: whether a ``LIKE`` fails if a row matches all that stands before the
            escape character at the pattern's end.
        fence: what to put behind a subquery, without effect on its rows, so that the database
            does not move conditions into it.
        fences_everywhere: whether subqueries outside of ``FROM`` may have that, too.
        moves_past_limit_of_union: whether conditions are moved into the parts of a ``UNION ALL``
            even if there is a fence behind it.
        sorts_first: whether rows may be sorted before an ``EXISTS`` has excluded some.
        converts_texts: whether a text that is compared with a number is converted, and the message
            of a failure quotes it.
        numbers_zero: whether a 0 in an auto-increment key becomes the next number.
        fills_null: whether ``NULL`` in a ``NOT NULL`` column may become its default or the next
            number.
        converts_null: whether ``NULL`` in any ``NOT NULL`` column, or no value, may become 0 or an
            empty text: where ``sql_mode`` is not strict, in tables without transactions, or by
            ``IGNORE``.
        owned_reached_by: the risk of a condition outside of a subquery that could be evaluated
            before the subquery compares the tenant column.
    """

    schemas: frozenset[str] = frozenset()
    search_path: str | None = None
    temporary_schema: str | None = None
    row_ids: frozenset[str] = frozenset()
    cuts_names_at: int | None = None
    exact_text: ExactText = ExactText.EQUALS
    hash_comments: bool = False
    loose_quotes: bool = False
    groups_by_key: bool = False
    reads_changed_table: bool = True
    deletes_while_reading: bool = True
    on_duplicate_key: bool = False
    sorts_by_price: bool = False
    refuses_patterns: bool = False
    fence: str
    fences_everywhere: bool = True
    moves_past_limit_of_union: bool = False
    sorts_first: bool = False
    numbers_zero: bool = False
    fills_null: bool = False
    converts_null: bool = False
    converts_texts: bool = False
    owned_reached_by: Risk = Risk.NONE

    def is_temporary(self, schema: str | None) -> bool:
        """Return whether the tables of ``schema`` are temporary ones."""
        begins = self.temporary_schema
        return bool(schema and begins and schema.casefold().startswith(begins))

    def cuts(self, name: str) -> bool:
        """Return whether the database would cut ``name``."""
        return self.cuts_names_at is not None and len(name.encode()) > self.cuts_names_at

    def cut(self, name: str) -> str:
        """Return ``name`` as the database would cut it."""
        return name.encode()[: self.cuts_names_at].decode(errors="ignore")


_SQLITE: Final = Database(
    schemas=frozenset({"main", "temp"}),
    search_path="SELECT name FROM pragma_database_list",
    temporary_schema="temp",
    row_ids=frozenset({"rowid", "_rowid_", "oid"}),
    exact_text=ExactText.BINARY_COLLATION,
    loose_quotes=True,
    fence="LIMIT -1",
    fills_null=True,
)
_POSTGRESQL: Final = Database(
    search_path="SELECT pg_catalog.unnest(pg_catalog.current_schemas(false))",
    temporary_schema="pg_temp",
    cuts_names_at=63,  # NAMEDATALEN less one
    groups_by_key=True,
    deletes_while_reading=False,
    sorts_by_price=True,
    refuses_patterns=True,
    fence="OFFSET 0",
    owned_reached_by=Risk.FIRST,
)
# Not the largest number, which MariaDB takes for no limit.
_ALL_ROWS: Final = "LIMIT 9223372036854775807"

_MARIADB: Final = Database(
    row_ids=frozenset({"_rowid"}),
    exact_text=ExactText.BINARY_CAST,
    hash_comments=True,
    reads_changed_table=False,
    on_duplicate_key=True,
    fence=_ALL_ROWS,
    fences_everywhere=False,
    moves_past_limit_of_union=True,
    sorts_first=True,
    numbers_zero=True,
    fills_null=True,
    converts_null=True,
    converts_texts=True,
    owned_reached_by=Risk.LATE,
)

DATABASES: Final = {
    "sqlite": _SQLITE,
    "postgresql": _POSTGRESQL,
    "mysql": _MARIADB,
    "mariadb": _MARIADB,
}
"""By the name of SQLAlchemy's dialect. Others are refused, since an access path could be open on
them: every one is tested on SQLite, PostgreSQL and MariaDB. MySQL has the row of MariaDB."""


def database_for(dialect: Dialect) -> Database:
    """Return the database of ``dialect``.

    Raises:
        ConfigurationError: the database is not supported.
    """
    try:
        return DATABASES[dialect.name]
    except KeyError:
        raise ConfigurationError(
            f"the dialect {dialect.name!r} has not been tested for ways around the guard; use one "
            f"of {', '.join(sorted(DATABASES))}"
        ) from None


def default_schemas(dialect: Dialect) -> frozenset[str]:
    """Return the names, in lower case, of the schema that an unqualified table is in."""
    schemas = database_for(dialect).schemas
    if dialect.default_schema_name:
        schemas |= {dialect.default_schema_name.casefold()}
    return schemas


_PATH: Final = "_tenantshield_search_path"


def search_path(dialect: Dialect) -> frozenset[str] | None:
    """Return the schemas that :func:`learn_search_path` has found, in lower case.

    Returns:
        ``None`` until it has asked the database, which may look in any schema.
    """
    found: frozenset[str] | None = dialect.__dict__.get(_PATH)
    if found is None and database_for(dialect).search_path is None:
        return frozenset()
    return found


def learn_search_path(dialect: Dialect, dbapi_connection: Any) -> None:
    """Ask the database once in which schemas an unqualified table is looked for.

    Args:
        dialect: an engine's dialect, which keeps the answer.
        dbapi_connection: a connection of that engine's pool.
    """
    query = database_for(dialect).search_path
    if query is None or _PATH in dialect.__dict__:
        return
    cursor = dbapi_connection.cursor()
    try:
        cursor.execute(query)
        found = frozenset(str(name).casefold() for (name,) in cursor.fetchall())
    finally:
        cursor.close()
    dialect.__dict__[_PATH] = found


def sqlstate(error: BaseException | None) -> str | None:
    """Return the five characters by which PostgreSQL names an error.

    Args:
        error: the error of the driver, such as the ``orig`` of SQLAlchemy's.

    Returns:
        The code, which each driver has in another place; ``None`` if the error has none.
    """
    fields: Any = error.args[0] if error is not None and error.args else None
    if isinstance(fields, dict):
        # pg8000: https://www.postgresql.org/docs/current/protocol-error-fields.html
        code: str | None = fields.get("C")
        return code
    return getattr(error, "sqlstate", None) or getattr(error, "pgcode", None)
