"""Foreign keys: what a row points at must be this tenant's too.

Where the value of a foreign key is a bound parameter, the parameter is noted when the
statement is compiled, and its values are looked up, all of them in one query, before
the statement is sent. Where it is an expression, it must be one that can only yield
this tenant's rows (``proofs.py``). A composite foreign key that includes the tenant
needs neither: it cannot point at another tenant's row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from sqlalchemy import BindParameter
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.expression import FromClause
from sqlalchemy.types import TypeEngine

from ..errors import CrossTenantAccessError, UnguardedStatementError
from ..ownership.model import ColumnOwnership, Ownership, Reference, TypedReference, table_label
from .proofs import ReferencesOf, is_proven, refuse_expression

__all__ = ["ReferenceParameter", "Target", "names_of", "notes_in", "refuse_orphan", "written_name"]

_ATTRIBUTE: Final = "_tenantshield_references"


def written_name(key: Any, table: FromClause) -> str | None:
    """Return the name of the column that SQLAlchemy writes for ``key``, case folded.

    SQLAlchemy goes by the key's own name, whichever construct it is a column of.

    Args:
        key: of ``values()`` or ``set_=``: a string, a column, an attribute or an expression.
        table: what the statement writes to.

    Returns:
        ``None`` for an expression, which is rendered as it is.
    """
    name: Any = key if isinstance(key, str) else coercions.expect_as_key(roles.DMLColumnRole, key)
    if name is None:
        return None
    column = table.c.get(name)
    return str(name if column is None else column.name).casefold()


def names_of(keys: Iterable[Any], table: FromClause) -> dict[str, Any]:
    """Return ``keys`` by the name of the column that each writes, case folded.

    Raises:
        UnguardedStatementError: two of them write one column; which of the two values is
            rendered is SQLAlchemy's or the database's choice.
    """
    named: dict[str, Any] = {}
    for key in keys:
        name = written_name(key, table)
        if name is None:
            continue
        if name in named:
            raise UnguardedStatementError(
                f"two keys of a statement on {table_label(table)} write the same column: give "
                "each column one value"
            )
        named[name] = key
    return named


# -- while a statement is compiled -----------------------------------------------


@dataclass(frozen=True, slots=True)
class ReferenceParameter:
    """One bound parameter holds one column of one row's foreign key."""

    reference: Reference
    row: int
    position: int
    type_: TypeEngine[Any]
    """The column's."""


@dataclass(frozen=True, slots=True)
class Target:
    """The table that a statement writes, and what is known of it."""

    table: Any
    """The statement's own construct, which need not be the declared one."""
    rule: Ownership | None
    references: tuple[Reference, ...]
    references_of: ReferencesOf
    prefetched: list[tuple[ReferenceParameter, str]]
    """Takes the notes on parameters that SQLAlchemy itself will make for defaults."""
    checked: set[str] = field(default_factory=set)
    """Takes the names, case folded, of the columns whose values were seen to."""
    sensitive: frozenset[str] = field(init=False)
    """The names, case folded, of the columns that say whose row it is or point at others."""

    def __post_init__(self) -> None:
        names = {name.casefold() for each in self.references for name in each.columns}
        if isinstance(self.rule, ColumnOwnership):
            names.add(self.rule.column.casefold())
        object.__setattr__(self, "sensitive", frozenset(names))

    def note(
        self,
        values: Mapping[Any, Any],
        column_keys: frozenset[str],
        *,
        row: int | None = None,
        updates: bool = False,
    ) -> dict[Any, Any]:
        """Return ``values`` with the parameters of foreign keys noted.

        Args:
            values: what a row is given, by column or key.
            column_keys: the keys whose values come with each execution.
            row: which row of several ``VALUES`` this is; ``None`` for the only one.
            updates: whether this is the ``SET`` of an ``UPDATE``.

        Raises:
            CrossTenantAccessError: the row would belong to nobody.
            UnguardedStatementError: an expression could yield another tenant's row.
        """
        if not self.references:
            return dict(values)
        noting = _Noting(self, values, column_keys, row, updates)
        for reference in self.references:
            noting.take(reference)
        return noting.values


class _Noting:
    """One row, or one ``SET``, while its foreign keys are noted."""

    def __init__(
        self,
        target: Target,
        values: Mapping[Any, Any],
        column_keys: frozenset[str],
        row: int | None,
        updates: bool,
    ) -> None:
        self.values = dict(values)
        self._target = target
        self._places = dict(names_of(values, target.table))
        self._coming = {
            name: key
            for key in column_keys
            if (name := written_name(key, target.table)) is not None
        }
        self._row = row
        self._updates = updates
        self._columns = {column.name.casefold(): column for column in target.table.c}

    def take(self, reference: Reference) -> None:
        columns = [self._columns.get(name.casefold()) for name in reference.columns]
        written = [column is not None and self._is_written(column) for column in columns]
        if not any(written):
            if reference.owns and not self._updates:
                refuse_orphan(reference)
        elif self._updates and not all(written):
            raise UnguardedStatementError(
                f"an UPDATE on {reference.label} sets a part of a foreign key to "
                f"{table_label(reference.parent)}: set all of {', '.join(reference.columns)}"
            )
        else:
            for position, column in enumerate(columns):
                if column is not None:
                    self._note(
                        column, ReferenceParameter(reference, self._row or 0, position, column.type)
                    )

    def _is_written(self, column: Any) -> bool:
        name = column.name.casefold()
        return name in self._places or name in self._coming or self._default_of(column) is not None

    def _default_of(self, column: Any) -> Any:
        """Return what SQLAlchemy itself puts into ``column`` if nobody does."""
        return getattr(column, "onupdate" if self._updates else "default", None)

    def _note(self, column: Any, note: ReferenceParameter) -> None:
        name = column.name.casefold()
        self._target.checked.add(name)
        if name in self._places:
            place = self._places[name]
            self.values[place] = self._noted_value(self.values[place], column, note)
        elif name in self._coming:
            key = self._coming[name]
            bind = BindParameter(key, type_=column.type, required=True)
            self.values[key] = _with_note(bind, note)
            self._places[name] = key
        else:
            self._note_default(self._default_of(column), column, note)

    def _noted_value(self, value: Any, column: Any, note: ReferenceParameter) -> Any:
        if value is None or isinstance(value, Null):
            if note.reference.owns:
                refuse_orphan(note.reference)
            return value
        if isinstance(value, BindParameter):
            # private: a clone must keep the name under which its value will come. One
            # that was made here already has a note, for another foreign key.
            has_note = _ATTRIBUTE in value.__dict__
            return _with_note(value if has_note else value._clone(maintain_key=True), note)
        if hasattr(value, "__clause_element__") or hasattr(value, "_compiler_dispatch"):
            if not is_proven(value, note.reference, self._target.references_of):
                refuse_expression(note.reference)
            return value
        return _with_note(BindParameter(None, value, type_=column.type, unique=True), note)

    def _note_default(self, default: Any, column: Any, note: ReferenceParameter) -> None:
        if default is None:
            return
        if default.is_clause_element:
            if not is_proven(default.arg, note.reference, self._target.references_of):
                refuse_expression(note.reference)
        elif self._row is None and (default.is_scalar or default.is_callable):
            # private: SQLAlchemy names the parameter of a default by the column's key.
            self._target.prefetched.append((note, column.key))
        else:
            refuse_expression(note.reference)


def _with_note(bind: BindParameter[Any], note: ReferenceParameter) -> BindParameter[Any]:
    # SQLAlchemy's clones keep what is in __dict__.
    bind.__dict__[_ATTRIBUTE] = (*bind.__dict__.get(_ATTRIBUTE, ()), note)
    return bind


def notes_in(
    bind_names: Mapping[BindParameter[Any], str],
    prefetched: Iterable[tuple[ReferenceParameter, str]],
) -> dict[TypedReference, list[tuple[str, ...]]]:
    """Return the names of the parameters that hold foreign keys, row by row."""
    noted = [
        # The type that converts the value is the parameter's own.
        (note, name, bind.type)
        for bind, name in bind_names.items()
        for note in bind.__dict__.get(_ATTRIBUTE, ())
    ]
    found: dict[tuple[Reference, int], dict[int, tuple[str, TypeEngine[Any]]]] = {}
    for note, name, type_ in [*noted, *((note, name, note.type_) for note, name in prefetched)]:
        found.setdefault((note.reference, note.row), {})[note.position] = (name, type_)
    rows: dict[TypedReference, list[tuple[str, ...]]] = {}
    for (reference, _), places in found.items():
        # A column that the statement leaves out is NULL, and the key points nowhere.
        if len(places) == len(reference.columns):
            names, types = zip(*(places[i] for i in sorted(places)), strict=True)
            rows.setdefault(TypedReference(reference, types), []).append(names)
    return rows


def refuse_orphan(reference: Reference) -> NoReturn:
    """Raise for a row that would belong to nobody."""
    raise CrossTenantAccessError(
        f"INSERT on {reference.label}: the row belongs to a tenant through "
        f"{', '.join(reference.columns)}, which is missing; give it"
    )
