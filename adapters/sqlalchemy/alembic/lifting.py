"""Lets the owner of tables with policies reach all their rows, for the length of an operation.

Policies bind a table's owner only if row-level security is *forced*. Everybody else stays bound.

https://www.postgresql.org/docs/current/ddl-rowsecurity.html
"""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

from ..rls.sql import literal, quoted, table_name
from .execution import Steps
from .filling import Filled

__all__ = ["policies_lifted"]

# A role that is exempt from policies needs nothing lifted, and one that does not own the table
# cannot do it: PostgreSQL then raises.
_FORCED: Final = (
    "SELECT n.nspname, c.relname, "
    "c.oid = {table}::regclass OR c.oid IN (SELECT relid FROM pg_partition_tree({table})) "
    "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace "
    "WHERE c.relrowsecurity AND c.relforcerowsecurity AND pg_has_role(c.relowner, 'USAGE') "
    "AND NOT (SELECT rolsuper OR rolbypassrls FROM pg_catalog.pg_roles "
    "WHERE rolname = current_user) ORDER BY c.oid"
)


@contextmanager
def policies_lifted(step: Steps, what: Filled) -> Generator[None, None, None]:
    """Let the owner reach all rows of the table and of those that its expression names."""
    label = table_name(what.schema, what.table)
    lifted: list[str] = []
    try:
        for schema, name, is_filled in step.rows(_FORCED.format(table=literal(label))):
            if is_filled or _names(what.expression, name):
                table = f"{quoted(schema)}.{quoted(name)}"
                step.lock(f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY")
                lifted.append(table)
        yield
    finally:
        for table in lifted:
            step.lock(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")


def _names(expression: str, table: Any) -> bool:
    # Too many would do no harm: what the expression does not read is not reached.
    return re.search(rf"(?<!\w){re.escape(table)}(?!\w)", expression, re.IGNORECASE) is not None
