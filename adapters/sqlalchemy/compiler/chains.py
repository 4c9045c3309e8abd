"""The shortest way from a tied table to a tenant column.

Each further way says the same of a parent's row, whose foreign keys were checked when they were
written; to follow them all would double with every level that has two.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy.sql.expression import TableClause

from ..errors import UnguardedStatementError
from ..ownership.model import ColumnOwnership, Ownership, ParentKey, table_label

__all__ = ["Chain", "chain_along"]

Chain: TypeAlias = tuple[ParentKey, ...]


def chain_along(tie: ParentKey, ownership_of: Callable[[TableClause], Ownership | None]) -> Chain:
    """Return the ties from ``tie`` on, up to a table that has a tenant column.

    Args:
        tie: the first.
        ownership_of: tells how a table's rows are tied to a tenant.

    Raises:
        UnguardedStatementError: there is no such table.
    """
    waiting: deque[Chain] = deque([(tie,)])
    seen: set[TableClause] = {tie.parent}
    while waiting:
        chain = waiting.popleft()
        rule = ownership_of(chain[-1].parent)
        if isinstance(rule, ColumnOwnership):
            return chain
        for each in () if rule is None else rule.parent_keys:
            if each.parent not in seen:
                seen.add(each.parent)
                waiting.append((*chain, each))
    raise UnguardedStatementError(
        f"{table_label(tie.parent)} is not tied to a table with a tenant column: declare it"
    )
