"""Check what a statement writes, by the column names that it renders.

SQLAlchemy uses only the name of a key in ``values()``, even if it is a column of another
construct, and renders other expressions unchanged. So what a key writes is certain only once it
is rendered. Before a statement is rendered, the guard checks the values that it recognizes and
notes the names of their columns. Here every rendered name is compared with these notes. A
sensitive column that was not checked, and anything that is not understood, is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple, NoReturn

from sqlalchemy.sql.expression import FromClause, TableClause

from ..errors import CrossTenantAccessError, UnguardedStatementError
from ..ownership.cascades import is_cascading_parent
from ..ownership.model import ColumnOwnership, may_be_shared, table_label
from ..ownership.registry import registry
from ..raw_sql.marks import MARKED
from .foreign_keys import Target
from .joins import base_table, leaves

__all__ = ["check_written", "refuse_set"]


class _Written(NamedTuple):
    qualifier: str | None
    name: str


def _parse(expression: str) -> _Written | None:
    """Return the column on the left side of an assignment; ``None`` if it is not understood.

    The names of its table and schema may come before it. Brackets after it select a part of an
    array or of JSON.
    """
    names: list[str] = []
    position = 0
    while (found := MARKED.match(expression, position)) is not None:
        names.append(_unquoted(found[1]))
        rest = expression[found.end() :]
        if not rest or _is_subscript(rest):
            return _Written(names[-2] if len(names) > 1 else None, names[-1])
        if rest[0] != ".":
            return None
        position = found.end() + 1
    return None


def _is_subscript(text: str) -> bool:
    """Return whether ``text`` consists of balanced pairs of brackets only."""
    depth = 0
    for index, character in enumerate(text):
        depth += (character == "[") - (character == "]")
        if depth < 0 or character in "'\"`;" or (depth == 0 and character != "]"):
            return False
        if depth == 0 and text[index + 1 : index + 2] not in ("", "["):
            return False
    return depth == 0


def _unquoted(name: str) -> str:
    if name[:1] in ('"', "`") and name[-1:] == name[:1] and len(name) > 1:
        name = name[1:-1].replace(name[0] * 2, name[0])
    return name.casefold()


@dataclass(slots=True)
class _Place:
    """A table that the statement could write to, and the columns that it writes there."""

    target: Target
    name: str
    written: set[str]


def check_written(
    rendered: Iterable[tuple[Any, ...]],
    targets: Iterable[Target],
    operation: str,
    *,
    scans: bool,
) -> list[tuple[TableClause, set[str]]]:
    """Refuse a statement that writes sensitive columns whose values were not checked.

    Args:
        rendered: SQLAlchemy's list of tuples: a column, the text of its name, the text of its
            value, and more.
        targets: every table that the statement could write to, with the checked columns.
        operation: ``INSERT`` or ``UPDATE``.
        scans: whether an expression in the place of a column is refused; it is not in
            statements that are marked as reviewed.

    Returns:
        The case-folded names of the columns that are written, by table.

    Raises:
        CrossTenantAccessError: a tenant column was not checked.
        UnguardedStatementError: a foreign key was not checked, a primary key has another name,
            or an assignment is not understood.
    """
    places = [
        _Place(target, str(getattr(target.table, "name", "")).casefold(), set())
        for target in targets
    ]
    changed = set(leaves(places[0].target.table)) if places else set()
    for _, expression, *_ in rendered:
        written = _parse(expression)
        if written is None:
            if scans:
                _refuse_unknown(places, operation)
            continue
        for place in _meant(places, written.qualifier):
            if place.name == written.qualifier and place.target.table not in changed:
                _refuse_further(place)
            _check(place, written.name, operation)
    return [
        (table, place.written)
        for place in places
        if place.written and (table := base_table(place.target.table)) is not None
    ]


def _meant(places: list[_Place], qualifier: str | None) -> Iterator[_Place]:
    named = [each for each in places if each.name == qualifier]
    yield from named or places


def _check(place: _Place, name: str, operation: str) -> None:
    target = place.target
    target.refuse_other_name(name)
    if name in target.sensitive and (name not in target.checked or name in place.written):
        rule = target.rule
        if isinstance(rule, ColumnOwnership) and name == rule.column.casefold():
            if operation == "UPDATE":
                refuse_set(rule)
            raise CrossTenantAccessError(
                f"{operation} on {rule.label} writes {rule.key} in a way that cannot be checked; "
                "leave it out and it is filled with the tenant in scope"
            )
        raise UnguardedStatementError(
            f"{operation} on {_label(target.table)} writes a foreign key to a tenant-aware table "
            "in a way that cannot be checked: set the column of the declared table once, to a "
            "value; update a further table in a separate statement"
        )
    place.written.add(name)


def _refuse_further(place: _Place) -> None:
    """Refuse to write a further table of an ``UPDATE`` that has rows of everybody.

    The statement reads these; only those of its first table are left out.
    """
    rule = place.target.rule
    if rule is not None and may_be_shared(rule.table, registry.ownership_of):
        raise UnguardedStatementError(
            f"an UPDATE of several tables sets a column of {rule.label}, which has rows that every "
            "tenant reads: update it in a statement of its own"
        )


def _refuse_unknown(places: list[_Place], operation: str) -> None:
    for place in places:
        table = base_table(place.target.table)
        if place.target.sensitive or table is None or is_cascading_parent(table):
            raise UnguardedStatementError(
                f"{operation} on {_label(place.target.table)} writes to an expression, not to a "
                "column: set each column separately"
            )


def refuse_set(rule: ColumnOwnership) -> NoReturn:
    """Raise for a ``SET`` of ``rule``'s tenant column."""
    raise CrossTenantAccessError(
        f"UPDATE on {rule.label} sets {rule.key}: a row never changes tenant; leave it out, or "
        'move the row inside system_scope("why")'
    )


def _label(table: FromClause) -> str:
    known = base_table(table)
    return "a join" if known is None else table_label(known)
