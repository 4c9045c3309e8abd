"""Small changes to statements and compile states, by their private names.

What the compiler (``compiler.py``) needs of them; everything here makes a copy and
leaves what it was given alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any, Final, cast

from sqlalchemy import BindParameter
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import (
    BooleanClauseList,
    ClauseElement,
    False_,
    Grouping,
    Null,
    TextClause,
    True_,
)
from sqlalchemy.sql.expression import FromClause

from .predicate import Plan, leaves

__all__ = [
    "Alone",
    "Prepared",
    "alone",
    "alone_value",
    "copy_of",
    "default_schemas",
    "further_tables",
    "is_extension_of",
    "own_column",
    "state_of",
    "with_criteria",
]


class Prepared:
    """Hands a compile state that was already made, and completed, to ``visit_*``."""

    def __init__(self, state: Any) -> None:
        # private: SQLCompiler.visit_insert() and its kin take their compile state
        # from this attribute of the statement, and everything else from the state.
        self._compile_state_factory = lambda *args, **kw: state


def is_extension_of(statement: Any, element: Any) -> bool:
    """Say whether a syntax extension put ``element`` behind the criteria of ``statement``."""
    # private: these are new in 2.1.
    return any(
        getattr(statement, name, None) is element
        for name in ("_post_criteria_clause", "_post_body_clause")
    )


def further_tables(state: Any) -> list[FromClause]:
    """Return the other tables of ``UPDATE ... FROM`` and ``DELETE ... USING``."""
    # private: where the target is a join, its tables are among the others too.
    mine = set(leaves(state.statement.table))
    return [each for each in state._extra_froms if each not in mine]


def with_criteria(statement: Any, plan: Plan) -> Any:
    """Return ``statement`` with the plan's criteria before its own."""
    statement = statement._clone()  # private: a shallow copy
    statement._where_criteria = (*plan.where, *alone(statement._where_criteria))
    return statement


class Alone(Grouping[Any]):
    """Parentheses that the compiler sees closed: what is inside must not reach out."""

    __visit_name__ = "tenantshield_alone"
    inherit_cache = False


def alone(criteria: Iterable[Any]) -> list[Any]:
    """Return each of ``criteria`` in parentheses.

    SQLAlchemy puts none around raw SQL, and ``text("paid OR overdue")`` next to
    ``AND tenant = :tenant`` would let every overdue row of every tenant through.
    """
    return [
        each
        if isinstance(each, True_ | False_)
        or (isinstance(each, BooleanClauseList) and not each.clauses)
        else Alone(each)
        for each in criteria
    ]


def alone_value(value: Any) -> Any:
    """Return what a column is set to, in parentheses if it is an expression.

    ``text("1, tenant_id = 'other'")`` would set a second column otherwise.
    """
    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    if not isinstance(value, ClauseElement) or isinstance(value, BindParameter | Null):
        return value
    if isinstance(value, TextClause) and value.text.strip().upper() == "DEFAULT":
        return value
    return Alone(cast("Any", value))


def copy_of(clause: Any, **changes: Any) -> Any:
    """Return a copy of ``clause`` with other attributes."""
    changed = copy.copy(clause)
    changed.__dict__.update(changes)
    return changed


def own_column(table: Any, column: Any) -> Any:
    """Return the column of ``table`` that ``column``, or its key, names."""
    return table.c[column] if isinstance(column, str) else table.c[column.key]


_NOT_FOR_THE_STATE: Final = frozenset({"visiting_cte", "visited_bindparam"})
"""What ``visit_insert()`` and its kin take for themselves and do not pass on."""


def state_of(statement: Any, compiler: SQLCompiler, kw: Mapping[str, Any]) -> Any:
    """Return the compile state that ``visit_insert()`` and its kin would make."""
    own = {key: value for key, value in kw.items() if key not in _NOT_FOR_THE_STATE}
    return statement._compile_state_factory(statement, compiler, **own)


def default_schemas(dialect: Dialect) -> frozenset[str]:
    """Return the database's names for the schema that a name without one means."""
    names = {"main", "temp"} if dialect.name == "sqlite" else set()
    if dialect.default_schema_name:
        names.add(dialect.default_schema_name.casefold())
    return frozenset(names)
