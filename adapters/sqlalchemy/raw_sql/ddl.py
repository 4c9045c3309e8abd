"""Statements that define tables: which of them touch rows.

Creating a table, an index or a constraint shows no row to anybody and needs no tenant,
so that ``metadata.create_all()`` just works. Dropping a table deletes every tenant's
rows, a view or a table made from a query would carry rows past the guard, and DDL given
as text can be anything.
"""

from __future__ import annotations

import re
from typing import Any, Final

from sqlalchemy import DDL, Table
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.ddl import DropSchema, DropTable, ExecutableDDLElement
from sqlalchemy.sql.expression import SelectBase

from ..ownership.model import table_label
from ..ownership.registry import registry
from .checks import RawText, Source, check, refuse

__all__ = ["dialect_for"]

_TOUCHES_ROWS: Final = re.compile(
    r"\b(?:SELECT|INSERT|UPDATE|DELETE|REPLACE|MERGE|COPY|TRUNCATE|DROP\s+TABLE|VIEW|TABLE\s+\S+\s+AS)\b",
    re.IGNORECASE,
)


def dialect_for(element: ExecutableDDLElement, plain: Dialect, guarded: Dialect) -> Dialect:
    """Return the dialect with which to render ``element`` outside of a system scope.

    Raises:
        UnguardedStatementError: it would touch tenants' rows.
    """
    if any(isinstance(value, SelectBase) for value in vars(element).values()):
        # Compiled under the guard, it fails where it would write a tenant's identifier
        # into a stored query, and passes where it selects from shared tables only.
        return guarded
    if isinstance(element, DropTable):
        target: Any = element.element
        if isinstance(target, Table) and registry.ownership_of(target) is not None:
            refuse(Source.DDL, f"drops {table_label(target)}, which deletes every tenant's rows")
        return plain
    if isinstance(element, DropSchema):
        refuse(Source.DDL, "with DROP SCHEMA may delete every tenant's rows")
    if _is_structural(element):
        return plain
    text = str(element.compile(dialect=plain))
    # An element of the application's own may name a table in order to define something about
    # it, as SQLAlchemy's do. Text may not: it can be anything.
    if isinstance(element, DDL) or _TOUCHES_ROWS.search(text):
        check(RawText(text, Source.DDL, plain))
    return plain


def _is_structural(element: ExecutableDDLElement) -> bool:
    """Return whether ``element`` is one of SQLAlchemy's own ``CREATE``, ``ALTER``, ``COMMENT``."""
    return type(element).__module__ == "sqlalchemy.sql.ddl" and not isinstance(element, DDL)
