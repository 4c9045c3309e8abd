"""Whether a statement that the guard refuses reaches observed tables alone.

Then it may run as it was. The text that is sent without the guard tells: the guard stops at the
first part that it refuses, and what else the statement reads is not known to it.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy.engine import Dialect

from ..errors import UnguardedStatementError
from ..ownership.registry import registry
from ..raw_sql.checks import RawText, Source, check_unnamed
from ..raw_sql.table_names import unmarked_names

__all__ = ["plain_text", "reaches_only_observed"]


def plain_text(statement: Any, dialect: Dialect) -> str:
    """Return the text of ``statement`` without the guard."""
    return str(statement.compile(dialect=dialect))


def reaches_only_observed(text: str, dialect: Dialect) -> bool:
    """Return whether SQL names observed tables and can reach no others with tenants' rows.

    Args:
        text: the SQL.
        dialect: the dialect that it is for.
    """
    named = {each.casefold() for each in unmarked_names(text, registry.names(), dialect)}
    observed = {each.name.casefold() for each in registry.tables() if registry.is_observed(each)}
    if not named or not named <= observed:
        return False
    try:
        check_unnamed(RawText(text, Source.STATEMENT, dialect))
    except UnguardedStatementError:
        return False
    return True
