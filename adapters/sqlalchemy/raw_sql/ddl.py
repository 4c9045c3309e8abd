"""Decide which DDL needs a system scope.

Creating a table, an index or a constraint returns no rows and needs no tenant, so
``metadata.create_all()`` just works. Dropping a table deletes every tenant's rows, a view or a
table created from a query would copy rows past the guard, a temporary table may be read instead
of another table, and DDL that is given as text can be anything.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final, cast

from sqlalchemy import DDL, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.ddl import CreateTable, DropSchema, DropTable, ExecutableDDLElement
from sqlalchemy.sql.expression import SelectBase

from ..databases import database_for
from ..ownership.cascades import refuse_cascade
from ..ownership.model import table_label
from ..ownership.registry import registry
from .checks import RawText, Source, check, refuse

__all__ = ["dialect_for", "refuse_stand_in", "refuse_stand_in_text"]

_TOUCHES_ROWS: Final = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY|TRUNCATE|DROP\s+TABLE|VIEW|TABLE\s+\S+\s+AS)\b",
    re.IGNORECASE,
)
# The application may add words before TABLE. OR REPLACE, which deletes, is not among these.
_LASTING: Final = re.compile(r"\s*CREATE\s+(?:(?:UNLOGGED|FOREIGN)\s+)?TABLE\b", re.IGNORECASE)
_TEMPORARY: Final = re.compile(
    r"\s*CREATE\s+(?:(?:GLOBAL|LOCAL)\s+)?TEMP(?:ORARY)?\s+TABLE\b", re.IGNORECASE
)


_CREATED: Final = re.compile(
    r"\s*CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:GLOBAL|LOCAL)\s+)?(?P<temporary>TEMP(?:ORARY)?\s+)?"
    r"(?:RECURSIVE\s+)?(?:TABLE|VIEW)\s+(?:IF\s+NOT\s+EXISTS\s+)?"
    r"(?:(?P<schema>[^\s.(]+)\s*\.\s*)?(?P<name>[^\s.(]+)",
    re.IGNORECASE,
)
_QUOTES: Final = "\"`[]'"


def dialect_for(
    element: ExecutableDDLElement,
    plain: Dialect,
    guarded: Dialect,
    schemas: Collection[str | None] = (),
) -> Dialect:
    """Return the dialect that renders ``element`` outside a system scope.

    Args:
        element: the statement.
        plain: the dialect of the database.
        guarded: the same under the guard.
        schemas: the schemas that replace others in a ``schema_translate_map``.

    Raises:
        UnguardedStatementError: the DDL would read or write tenants' rows.
    """
    refuse_stand_in(element, plain, schemas)
    if any(isinstance(value, SelectBase) for value in vars(element).values()):
        # Compiled under the guard, it fails if it would write a tenant's identifier into a
        # stored query, and passes if it selects only from shared tables.
        return guarded
    if isinstance(element, DropTable):
        target: Any = element.element
        if isinstance(target, Table) and registry.ownership_of(target) is not None:
            refuse(Source.DDL, f"drops {table_label(target)}, which deletes every tenant's rows")
        if isinstance(target, Table):
            # SQLite first deletes its rows, and what refers to them.
            refuse_cascade(target, verb="DROP TABLE")
            if not registry.is_apart(target):
                # What is rendered may be another name, if it is not quoted.
                check(RawText(str(element.compile(dialect=plain)), Source.DDL, plain))
        return plain
    if isinstance(element, DropSchema):
        refuse(Source.DDL, "with DROP SCHEMA may delete every tenant's rows")
    if _is_structural(element):
        return plain
    text = str(element.compile(dialect=plain))
    # An element of the application may name a table to define something for it, like those of
    # SQLAlchemy. Text may not, since it can be anything.
    if isinstance(element, DDL) or _TOUCHES_ROWS.search(text):
        check(RawText(text, Source.DDL, plain))
    return plain


def refuse_stand_in(
    element: ExecutableDDLElement, plain: Dialect, schemas: Collection[str | None]
) -> None:
    """Refuse a temporary table or view with the name of a table that holds tenants' rows.

    The connection would read it instead of the table, and keeps it in the pool.
    """
    if isinstance(element, DDL):
        refuse_stand_in_text(str(element.statement), plain)
        return
    # A table or view created from a query, new in 2.1, has this attribute.
    is_temporary: bool | None = getattr(element, "temporary", None)
    if is_temporary is None and not isinstance(element, CreateTable):
        return
    table: Any = cast("Any", element).element
    if table.name.casefold() not in registry.names():
        return
    if isinstance(element, CreateTable):
        text = str(element.compile(dialect=plain))
        is_lasting = _LASTING.match(text) is not None
        # The application has declared this very table, so it replaces no other one.
        if registry.is_known(table) and (is_lasting or _TEMPORARY.match(text)):
            return
    else:
        is_lasting = not is_temporary
    if not is_lasting or any(map(database_for(plain).is_temporary, (table.schema, *schemas))):
        refuse(
            Source.DDL,
            f"creates something that would be read instead of {table_label(table)}, which holds "
            "tenants' rows",
            "give it another name",
        )


def refuse_stand_in_text(text: str, dialect: Dialect) -> None:
    """Refuse SQL that creates a temporary table or view with the name of a tenants' table.

    In a system scope, too: the connection would keep it when it serves a tenant.

    Raises:
        UnguardedStatementError: it does.
    """
    found = _CREATED.match(text)
    if found is None or found["name"].strip(_QUOTES).casefold() not in registry.names():
        return
    schema = (found["schema"] or "").strip(_QUOTES)
    if found["temporary"] or database_for(dialect).is_temporary(schema):
        refuse(
            Source.DRIVER_SQL,
            "creates something that would be read instead of a table of that name, which holds "
            "tenants' rows",
            "give it another name",
        )


def _is_structural(element: ExecutableDDLElement) -> bool:
    """Return whether ``element`` is one of SQLAlchemy's own ``CREATE``, ``ALTER``, ``COMMENT``."""
    return type(element).__module__ == "sqlalchemy.sql.ddl" and not isinstance(element, DDL)
