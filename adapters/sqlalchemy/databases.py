"""The databases that the guard supports, and how they differ: one row for each.

What the guard does on one database and not on another, it asks of this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from sqlalchemy.engine import Dialect

from .errors import ConfigurationError

__all__ = ["DATABASES", "Database", "ExactText", "database_for", "default_schemas"]


class ExactText(Enum):
    """How texts are compared so that only the same text is equal."""

    EQUALS = auto()
    """``=`` compares exactly."""
    BINARY_COLLATION = auto()
    """A column's collation may fold case; ``COLLATE BINARY`` takes its place."""
    BINARY_CAST = auto()
    """The default collations fold case; the texts are compared as bytes as well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Database:
    """What the guard has to know of a database.

    Attributes:
        schemas: what the schema of an unqualified name is also called, beside the dialect's
            default schema.
        temporary_schema: the beginning of the names of schemas whose tables belong to one
            connection and are found before all others, if there are such schemas.
        cuts_names_at: the bytes of a name that count; ``None`` if all do.
        exact_text: how texts are compared exactly.
        hash_comments: whether ``#`` begins a comment.
        loose_quotes: whether names may stand in brackets, and a string may stand for a name.
        groups_by_key: whether ``GROUP BY`` a primary key lets the other columns be selected,
            which a derived table, having no key, does not.
        reads_changed_table: whether a subquery may read the table that the statement changes.
        deletes_while_reading: whether a ``DELETE`` deletes its first row before it has found
            the last one.
        on_duplicate_key: whether upserts are ``ON DUPLICATE KEY UPDATE``, which has no ``WHERE``.
        fails_on_any_row: whether a condition may be evaluated, and raise, on a row that another
            one rules out.
    """

    schemas: frozenset[str] = frozenset()
    temporary_schema: str | None = None
    cuts_names_at: int | None = None
    exact_text: ExactText = ExactText.EQUALS
    hash_comments: bool = False
    loose_quotes: bool = False
    groups_by_key: bool = False
    reads_changed_table: bool = True
    deletes_while_reading: bool = True
    on_duplicate_key: bool = False
    fails_on_any_row: bool = False

    def is_temporary(self, schema: str | None) -> bool:
        """Return whether the tables of ``schema`` are temporary ones."""
        begins = self.temporary_schema
        return bool(schema and begins and schema.casefold().startswith(begins))

    def cuts(self, name: str) -> bool:
        """Return whether the database goes by the beginning of ``name`` alone."""
        return self.cuts_names_at is not None and len(name.encode()) > self.cuts_names_at

    def cut(self, name: str) -> str:
        """Return as much of ``name`` as the database goes by."""
        return name.encode()[: self.cuts_names_at].decode(errors="ignore")


_SQLITE: Final = Database(
    schemas=frozenset({"main", "temp"}),
    temporary_schema="temp",
    exact_text=ExactText.BINARY_COLLATION,
    loose_quotes=True,
    fails_on_any_row=True,
)
_POSTGRESQL: Final = Database(
    temporary_schema="pg_temp",
    cuts_names_at=63,  # NAMEDATALEN less one
    groups_by_key=True,
    deletes_while_reading=False,
    fails_on_any_row=True,
)
_MYSQL: Final = Database(
    exact_text=ExactText.BINARY_CAST,
    hash_comments=True,
    reads_changed_table=False,
    on_duplicate_key=True,
)
_MARIADB: Final = Database(
    exact_text=ExactText.BINARY_CAST,
    hash_comments=True,
    reads_changed_table=False,
    on_duplicate_key=True,
)

DATABASES: Final = {
    "sqlite": _SQLITE,
    "postgresql": _POSTGRESQL,
    "mysql": _MYSQL,
    "mariadb": _MARIADB,
}
"""By the name of SQLAlchemy's dialect: those on which every access path is tested. On another
one a path could be open without anybody knowing, so that one is refused."""


def database_for(dialect: Dialect) -> Database:
    """Return what is known of the database of ``dialect``.

    Raises:
        ConfigurationError: its access paths were never tested.
    """
    try:
        return DATABASES[dialect.name]
    except KeyError:
        raise ConfigurationError(
            f"the dialect {dialect.name!r} has not been tested for ways around the guard; "
            f"supported are {', '.join(sorted(DATABASES))}"
        ) from None


def default_schemas(dialect: Dialect) -> frozenset[str]:
    """Return the database's names for the schema that a name without one means."""
    schemas = database_for(dialect).schemas
    if dialect.default_schema_name:
        schemas |= {dialect.default_schema_name.casefold()}
    return schemas
