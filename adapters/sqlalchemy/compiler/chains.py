"""The shortest chain of parents from a tied table to a tenant column.

Other chains lead to the same tenant, since the foreign keys of the parent rows were checked when
they were written. Following all of them would double the predicates on every level with two.

A table with rows that every tenant reads tells least: a row that refers to one of these may be any
tenant's. So a chain that ends elsewhere is preferred, and where there is none, each table with
several parents needs all of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeAlias

from sqlalchemy.sql.expression import TableClause

from ..errors import UnguardedStatementError
from ..ownership.model import ColumnOwnership, Ownership, ParentKey, ParentOwnership, table_label

__all__ = ["Chain", "chain_along"]

Chain: TypeAlias = tuple[ParentKey, ...]


def chain_along(tie: ParentKey, ownership_of: Callable[[TableClause], Ownership | None]) -> Chain:
    """Return the shortest chain that begins with ``tie`` and ends at a table with a tenant column.

    If only chains to tables with rows of everybody exist, it ends at the first table that has
    several parents.

    Args:
        tie: the first parent key.
        ownership_of: returns the ownership of a table.

    Raises:
        UnguardedStatementError: no chain ends at such a table.
    """
    waiting: deque[Chain] = deque([(tie,)])
    seen: set[TableClause] = {tie.parent}
    shared: Chain | None = None
    while waiting:
        chain = waiting.popleft()
        rule = ownership_of(chain[-1].parent)
        if isinstance(rule, ColumnOwnership):
            if rule.shared_rows is None:
                return chain
            shared = shared or chain
            continue
        for each in () if rule is None else rule.parent_keys:
            if each.parent not in seen:
                seen.add(each.parent)
                waiting.append((*chain, each))
    if shared is not None:
        return _up_to_fork(shared, ownership_of)
    raise UnguardedStatementError(
        f"{table_label(tie.parent)} is not tied to a table with a tenant column: declare it"
    )


def _up_to_fork(chain: Chain, ownership_of: Callable[[TableClause], Ownership | None]) -> Chain:
    for number, each in enumerate(chain, 1):
        rule = ownership_of(each.parent)
        if isinstance(rule, ParentOwnership) and len(rule.parent_keys) > 1:
            return chain[:number]
    return chain
