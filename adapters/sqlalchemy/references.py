"""Foreign keys: what a row points at must be this tenant's too.

Where the value of a foreign key is a bound parameter, the parameter is noted when the
statement is compiled, and its values are looked up, all of them in one query, before
the statement is sent. Where it is an expression, it must be one that can only yield
this tenant's rows. A composite foreign key that includes the tenant needs neither: it
cannot point at another tenant's row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn, TypeAlias

from sqlalchemy import BindParameter, Case, Select, func, select, tuple_
from sqlalchemy.engine import Connection
from sqlalchemy.sql.elements import Cast, ColumnClause, Grouping, Label, Null
from sqlalchemy.sql.expression import TableClause
from sqlalchemy.sql.functions import coalesce
from sqlalchemy.sql.selectable import ScalarSelect

from .errors import CrossTenantAccessError, UnguardedStatementError
from .flushes import flush_on
from .predicate import base_table, column_of
from .registry import Reference, table_label

__all__ = [
    "Note",
    "ReferencesOf",
    "check_references",
    "check_selected",
    "note_values",
    "notes_in",
    "refuse_orphan",
]

ReferencesOf: TypeAlias = Callable[[TableClause], tuple[Reference, ...]]

CHUNK: Final = 5_000
"""How many values one look-up takes; databases limit the parameters of a statement."""

_ATTRIBUTE: Final = "_tenantshield_references"


@dataclass(frozen=True, slots=True)
class Note:
    """One bound parameter holds one column of one row's foreign key."""

    reference: Reference
    row: int
    position: int


def note(bind: BindParameter[Any], *notes: Note) -> BindParameter[Any]:
    """Write on ``bind`` which foreign keys its value is for."""
    # SQLAlchemy's clones keep what is in __dict__.
    bind.__dict__[_ATTRIBUTE] = (*bind.__dict__.get(_ATTRIBUTE, ()), *notes)
    return bind


def notes_in(
    bind_names: Mapping[BindParameter[Any], str], prefetched: Iterable[tuple[Note, str]]
) -> dict[Reference, list[tuple[str, ...]]]:
    """Return the names of the parameters that hold foreign keys, row by row."""
    noted = [
        (each, name)
        for bind, name in bind_names.items()
        for each in bind.__dict__.get(_ATTRIBUTE, ())
    ]
    found: dict[tuple[Reference, int], dict[int, str]] = {}
    for each, name in [*noted, *prefetched]:
        found.setdefault((each.reference, each.row), {})[each.position] = name
    rows: dict[Reference, list[tuple[str, ...]]] = {}
    for (reference, _), names in found.items():
        # A column that the statement leaves out is NULL, and the key points nowhere.
        if len(names) == len(reference.columns):
            rows.setdefault(reference, []).append(tuple(names[i] for i in sorted(names)))
    return rows


# -- while a statement is compiled -----------------------------------------------


def note_values(
    values: Mapping[Any, Any],
    column_keys: Iterable[str],
    references: Iterable[Reference],
    key_of: Callable[[Any], str],
    table: Any,
    references_of: ReferencesOf,
    *,
    row: int | None = None,
    updates: bool = False,
    prefetched: list[tuple[Note, str]],
) -> dict[Any, Any]:
    """Return ``values`` with the parameters of foreign keys noted.

    Args:
        values: what a row is given, by column or key.
        column_keys: the keys whose values come with each execution.
        references: the foreign keys of the table that need a check.
        key_of: turns a column or key into a key.
        table: the statement's own construct of the table.
        references_of: the foreign keys of any table, to follow expressions.
        row: which row of several ``VALUES`` this is; ``None`` for the only one.
        updates: whether this is the ``SET`` of an ``UPDATE``.
        prefetched: takes the notes on parameters that SQLAlchemy itself will make for
            defaults, with their names.

    Raises:
        UnguardedStatementError: an expression could yield another tenant's row.
    """
    completed = dict(values)
    by_key = {key_of(column): column for column in values}
    keys = {column.name: column for column in table.c}
    coming = set(column_keys)
    for reference in references:
        columns = [keys.get(name) for name in reference.columns]
        given = [
            c is not None
            and (c.key in by_key or c.key in coming or _default_of(c, updates) is not None)
            for c in columns
        ]
        if not any(given):
            if reference.owns and not updates:
                refuse_orphan(reference)
            continue
        if updates and not all(given):
            raise UnguardedStatementError(
                f"UPDATE on {reference.label} sets a part of a foreign key to "
                f"{table_label(reference.parent)}: set all of {', '.join(reference.columns)}"
            )
        for position, column in enumerate(columns):
            if column is None:
                continue
            mine = Note(reference, row or 0, position)
            default = _default_of(column, updates)
            if column.key in by_key:
                place = by_key[column.key]
                value = completed[place]
                bind = _as_bind(value, column)
                if bind is not None:
                    completed[place] = note(bind, mine)
                elif value is None or isinstance(value, Null):
                    if reference.owns:
                        refuse_orphan(reference)
                elif not _is_proven(value, reference, references_of):
                    _refuse_expression(reference)
            elif column.key in coming:
                bind = BindParameter(column.key, type_=column.type, required=True)
                completed[column.key] = note(bind, mine)
                by_key[column.key] = column.key
            elif default is not None:
                if default.is_clause_element:
                    if not _is_proven(default.arg, reference, references_of):
                        _refuse_expression(reference)
                elif row is not None or not (default.is_scalar or default.is_callable):
                    _refuse_expression(reference)
                else:
                    # private: SQLAlchemy names the parameter of a default so.
                    prefetched.append((mine, column.key))
    return completed


def _default_of(column: Any, updates: bool) -> Any:
    """Return what SQLAlchemy itself would put into ``column`` if nobody does."""
    return getattr(column, "onupdate" if updates else "default", None)


def _as_bind(value: Any, column: Any) -> BindParameter[Any] | None:
    """Return the parameter that ``value`` is or will be; ``None`` for an expression."""
    if isinstance(value, BindParameter):
        # private: the clone must keep the name under which its value will come.
        return value if _ATTRIBUTE in value.__dict__ else value._clone(maintain_key=True)
    if value is None or hasattr(value, "_compiler_dispatch"):
        return None
    if hasattr(value, "__clause_element__"):
        return None
    return BindParameter(None, value, type_=column.type, unique=True)


def check_selected(
    source: Any, position: int, reference: Reference, references_of: ReferencesOf
) -> None:
    """Refuse an ``INSERT ... SELECT`` whose foreign key could be another tenant's.

    Raises:
        UnguardedStatementError: it could.
    """
    if len(reference.columns) > 1 or not _column_is_proven(
        source, position, reference, references_of
    ):
        _refuse_expression(reference)


def _column_is_proven(
    source: Any, position: int, reference: Reference, references_of: ReferencesOf
) -> bool:
    parts = getattr(source, "selects", None)
    if parts is not None:
        return all(_column_is_proven(each, position, reference, references_of) for each in parts)
    if not isinstance(source, Select):
        element = getattr(source, "element", None)
        return element is not None and _column_is_proven(
            element, position, reference, references_of
        )
    selected = list(source.selected_columns)[position]
    return _is_proven(selected, reference, references_of)


def _is_proven(value: Any, reference: Reference, references_of: ReferencesOf) -> bool:
    """Say whether the expression ``value`` can only yield this tenant's rows, or NULL."""

    def proven(each: Any) -> bool:
        return _is_proven(each, reference, references_of)

    if hasattr(value, "__clause_element__"):
        value = value.__clause_element__()
    match value:
        case Null():
            return True
        case Label() | Grouping():
            return proven(value.element)
        case Cast():
            return proven(value.clause)
        case ScalarSelect():
            return len(reference.columns) == 1 and _column_is_proven(
                value.element, 0, reference, references_of
            )
        case coalesce():
            return all(proven(each) for each in value.clauses)
        case Case():
            results = [result for _, result in value.whens]
            return all(proven(each) for each in [*results, value.else_] if each is not None)
        case BindParameter():
            # Its value is known, but not as the value of this column: say it directly.
            return False
        case ColumnClause():
            return len(reference.columns) == 1 and _column_points_there(
                value, reference, references_of, proven
            )
    return False


def _column_points_there(
    column: ColumnClause[Any],
    reference: Reference,
    references_of: ReferencesOf,
    proven: Callable[[Any], bool],
) -> bool:
    if column.table is None:
        return False
    table = base_table(column.table)
    if table is None:
        bases = column.base_columns
        return bool(bases) and all(each is not column and proven(each) for each in bases)
    target = (reference.parent.schema, reference.parent.name, reference.parent_columns[0])
    if (getattr(table, "schema", None), table.name, column.name) == target:
        return True
    # A column of a guarded row that is such a foreign key itself was checked when it
    # was written.
    return any(
        other.columns == (column.name,)
        and other.parent is reference.parent
        and other.parent_columns == reference.parent_columns
        for other in references_of(table)
    )


def refuse_orphan(reference: Reference) -> NoReturn:
    """Raise for a row that would belong to nobody."""
    raise CrossTenantAccessError(
        f"INSERT on {reference.label}: the row belongs to a tenant through "
        f"{', '.join(reference.columns)}, which is missing; give it"
    )


def _refuse_expression(reference: Reference) -> NoReturn:
    raise UnguardedStatementError(
        f"{', '.join(reference.columns)} of {reference.label} is set to an expression that could "
        f"yield another tenant's {table_label(reference.parent)}: give a value, a subquery on "
        f"{table_label(reference.parent)}, or a column that is a foreign key to it"
    )


# -- before a statement is sent --------------------------------------------------


def check_references(
    connection: Connection,
    rows: Mapping[Reference, list[tuple[str, ...]]],
    parameters: Iterable[Mapping[str, Any]],
) -> None:
    """Look up what the foreign keys of a statement point at.

    Args:
        connection: on which the statement is about to be sent.
        rows: the names of the parameters, by foreign key and row.
        parameters: the parameters of each execution.

    Raises:
        CrossTenantAccessError: one points at a row that this tenant does not have.
    """
    parameters = list(parameters)
    flush = flush_on(connection)
    for reference, names in rows.items():
        wanted = set(_values(reference, names, parameters))
        if flush is not None:
            wanted = flush.unproven(reference, wanted)
        if not wanted:
            continue
        if not _all_there(connection, reference, list(wanted)):
            raise CrossTenantAccessError(
                f"a foreign key of {reference.label} ({', '.join(reference.columns)}) points at a "
                f"row of {table_label(reference.parent)} that this tenant does not have"
            )
        if flush is not None:
            flush.prove(reference, wanted)


def _values(
    reference: Reference, names: list[tuple[str, ...]], parameters: list[Mapping[str, Any]]
) -> Iterator[tuple[Any, ...]]:
    for row in names:
        for each in parameters:
            values = tuple(each[name] for name in row)
            if None not in values:
                yield values
            elif reference.owns:
                refuse_orphan(reference)


def _all_there(connection: Connection, reference: Reference, wanted: list[tuple[Any, ...]]) -> bool:
    types = {column.name: column.type for column in reference.parent.c}
    columns = [column_of(reference.parent, name, types[name]) for name in reference.parent_columns]
    for start in range(0, len(wanted), CHUNK):
        chunk = wanted[start : start + CHUNK]
        criterion = (
            columns[0].in_([values[0] for values in chunk])
            if len(columns) == 1
            else tuple_(*columns).in_(chunk)
        )
        # The guard confines this query like any other.
        query = select(func.count()).select_from(reference.parent).where(criterion)
        if connection.execute(query).scalar_one() != len(chunk):
            return False
    return True
