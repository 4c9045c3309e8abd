"""Make sure that foreign keys refer only to this tenant's rows.

If the value of a foreign key is a bound parameter, the parameter is noted when the statement is
compiled. Its values are looked up in one query before the statement is sent. If the value is an
expression, it must be provably limited to this tenant's rows (``proofs.py``), and the parameters
in it are noted, too. A composite
foreign key that includes the tenant needs neither: it cannot refer to another tenant's row.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NoReturn

from sqlalchemy import BindParameter, Column
from sqlalchemy.sql import coercions, roles
from sqlalchemy.sql.elements import Null
from sqlalchemy.sql.expression import FromClause

from ..databases import Database
from ..errors import CrossTenantAccessError, UnguardedStatementError
from ..ownership.cascades import is_cascading_parent
from ..ownership.model import ColumnOwnership, Ownership, Reference, table_label
from .joins import base_table
from .key_types import is_sqlalchemys_own
from .notes import Notes, ReferenceParameter, noted_copy, with_note
from .nulls import NeverNull, filled, kept_from_null, refuse_maybe_null, refuse_null
from .proofs import Proof, ReferencesOf, refuse_expression

__all__ = [
    "Target",
    "key_of",
    "names_of",
    "not_of_tenant",
    "refuse_made_by_database",
    "refuse_orphan",
    "written_name",
]


def key_of(key: Any) -> Any:
    """Return ``key`` as a string, like SQLAlchemy; ``None`` for an expression."""
    return key if isinstance(key, str) else coercions.expect_as_key(roles.DMLColumnRole, key)


def written_name(key: Any, table: FromClause) -> str | None:
    """Return the name of the column that SQLAlchemy writes for ``key``, case folded.

    SQLAlchemy uses only the key's name, even if it is a column of another construct.

    Args:
        key: a key of ``values()`` or ``set_=``: a string, column, attribute or expression.
        table: the table that the statement writes.

    Returns:
        The name; ``None`` for an expression, which is rendered unchanged.
    """
    name = key_of(key)
    if name is None:
        return None
    column = table.c.get(name)
    return str(name if column is None else column.name).casefold()


def names_of(keys: Iterable[Any], table: FromClause) -> dict[str, Any]:
    """Return ``keys`` by the case-folded name of the column that each writes.

    Raises:
        UnguardedStatementError: two keys write the same column; SQLAlchemy or the database
            would choose which value is written.
    """
    named: dict[str, Any] = {}
    for key in keys:
        name = written_name(key, table)
        if name is None:
            continue
        if name in named:
            raise UnguardedStatementError(
                f"two keys of a statement on {table_label(table)} write the same column: give "
                "each column one value only"
            )
        named[name] = key
    return named


# -- while a statement is compiled -----------------------------------------------


@dataclass(frozen=True, slots=True)
class Target:
    """The table that a statement writes, its ownership and its foreign keys."""

    table: Any
    """The construct in the statement, which may differ from the declared one."""
    rule: Ownership | None
    references: tuple[Reference, ...]
    references_of: ReferencesOf
    notes: Notes
    """Collects the notes on parameters."""
    row_ids: frozenset[str] = frozenset()
    """The database's further names, in lower case, for a primary key, see ``Database``."""
    cut: Callable[[str], str] = str
    """Returns a name as the database cuts it."""
    is_plain: bool = False
    """Whether the statement is an ``INSERT`` that fails on a conflict with an existing row."""
    database: Database | None = None
    """The database that the statement is for, as far as it writes values instead of NULL."""
    checked: set[str] = field(default_factory=set)
    """Collects the case-folded names of the columns whose values were checked."""
    sensitive: frozenset[str] = field(init=False)
    """The case-folded names of the tenant column and of the columns in foreign keys."""

    def __post_init__(self) -> None:
        names = {name.casefold() for each in self.references for name in each.columns}
        if isinstance(self.rule, ColumnOwnership):
            names.add(self.rule.column.casefold())
        object.__setattr__(self, "sensitive", frozenset(names))

    def check_given(self, reference: Reference, given: Collection[str]) -> None:
        """Refuse a row for which the database would write a column of a foreign key itself.

        Args:
            reference: the foreign key.
            given: the columns of it that the statement gives a value.

        Raises:
            CrossTenantAccessError: the row would belong to no tenant.
            UnguardedStatementError: the database computes a column, or has a value for one that
                is not given.
        """
        missing = frozenset(reference.columns).difference(given)
        if reference.is_computed or not reference.made_by_database.isdisjoint(missing):
            refuse_made_by_database(reference)
        if reference.owns and missing:
            refuse_orphan(reference)
        if not filled(reference, self.database).isdisjoint(missing):
            refuse_made_by_database(reference)

    def never_null(
        self, value: Any, name: str, reference: Reference, is_never: Callable[[], bool]
    ) -> Any:
        """Return what to write for an expression, see :func:`kept_from_null`."""
        kept = kept_from_null(value, name, reference, self.database, is_never)
        if kept is not value:
            self.notes.fails_on_null.append(reference)
        return kept

    def matters(self) -> bool:
        """Return whether a value could be a tenant, a foreign key or a key that cascades."""
        table = base_table(self.table)
        is_sensitive = self.rule is not None or bool(self.references)
        return is_sensitive or (table is not None and is_cascading_parent(table))

    def _declares(self, name: str) -> bool:
        columns = getattr(base_table(self.table), "c", ())
        real = (each for each in columns if isinstance(each, Column) and not each.system)
        return any(each.name.casefold() == name for each in real)

    def refuse_other_name(self, name: str) -> None:
        """Refuse to write a column under another name than its own.

        Args:
            name: the name that is rendered, case folded.

        Raises:
            UnguardedStatementError: the database takes it for another name of the primary key, or
                cuts it to the name of the tenant column or of one in a foreign key.
        """
        if any(name != each and self.cut(name) == self.cut(each) for each in self.sensitive):
            raise UnguardedStatementError(
                f"the database cuts names, and then a column that is written has the name of the "
                f"tenant column of {table_label(self.table)} or of one in a foreign key: use the "
                "column's own name"
            )
        if name in self.row_ids and self.matters() and not self._declares(name):
            raise UnguardedStatementError(
                f"{name} is another name of the primary key of {table_label(self.table)}, which "
                "cannot be checked: use the column's own name"
            )

    def note(
        self,
        values: Mapping[Any, Any],
        column_keys: frozenset[str],
        *,
        row: int | None = None,
        updates: bool = False,
        has_defaults: bool = True,
    ) -> dict[Any, Any]:
        """Return ``values`` with a note on each parameter of a foreign key.

        Args:
            values: the values of a row, by column or key.
            column_keys: the keys whose values each execution passes.
            row: the number of this row in ``VALUES`` of several; ``None`` for a single row.
            updates: whether this is the ``SET`` of an ``UPDATE``.
            has_defaults: whether SQLAlchemy writes the defaults of columns; it does not in the
                ``SET`` of an upsert.

        Raises:
            CrossTenantAccessError: the row would belong to no tenant.
            UnguardedStatementError: an expression could yield another tenant's row.
        """
        if not self.references:
            return dict(values)
        noting = _Noting(self, values, column_keys, row, updates, has_defaults)
        for reference in self.references:
            noting.take(reference)
        return noting.values


class _Noting:
    """Notes the foreign keys of one row or one ``SET``."""

    def __init__(
        self,
        target: Target,
        values: Mapping[Any, Any],
        column_keys: frozenset[str],
        row: int | None,
        updates: bool,
        has_defaults: bool,
    ) -> None:
        self.values = dict(values)
        self._target = target
        self._places = dict(names_of(values, target.table))
        self._coming = {
            name: key
            for key in column_keys
            if (name := written_name(key, target.table)) is not None
        }
        self._row = object()
        self._is_one_of_several = row is not None
        self._updates = updates
        self._has_defaults = has_defaults
        self._columns = {column.name.casefold(): column for column in target.table.c}

    def take(self, reference: Reference) -> None:
        columns = [self._columns.get(name.casefold()) for name in reference.columns]
        written = [column is not None and self._is_written(column) for column in columns]
        if not self._updates:
            names = zip(reference.columns, written, strict=True)
            self._target.check_given(reference, [name for name, given in names if given])
        elif reference.is_computed:
            refuse_made_by_database(reference)
        if not any(written):
            return
        if self._updates and not all(written):
            raise UnguardedStatementError(
                f"an UPDATE on {reference.label} sets only a part of a foreign key to "
                f"{table_label(reference.parent)}: set all of {', '.join(reference.columns)}"
            )
        for position, column in enumerate(columns):
            if column is not None:
                self._note(column, ReferenceParameter(reference, self._row, position, column.type))
        if self._target.is_plain and reference.parent is self._declared():
            self._note_keys(reference)

    def _declared(self) -> Any:
        return None if self._target.rule is None else self._target.rule.table

    def _note_keys(self, reference: Reference) -> None:
        """Note the row's referred columns, since other rows of the statement may refer to it."""
        for position, name in enumerate(map(str.casefold, reference.parent_columns)):
            column = self._columns.get(name)
            if column is None:
                continue
            key = ReferenceParameter(reference, self._row, position, column.type)
            if name in self._places:
                place = self._places[name]
                value = self.values[place]
                if value is None or hasattr(value, "__clause_element__"):
                    continue
                if isinstance(value, BindParameter):
                    noted = noted_copy(value)
                elif hasattr(value, "_compiler_dispatch"):
                    continue
                else:
                    noted = BindParameter(None, value, type_=column.type, unique=True)
                self.values[place] = with_note(noted, key, is_key=True)
            elif name in self._coming:
                bind = BindParameter(self._coming[name], type_=column.type, required=True)
                self.values[self._coming[name]] = with_note(bind, key, is_key=True)
                self._places[name] = self._coming[name]

    def _is_written(self, column: Any) -> bool:
        name = column.name.casefold()
        return name in self._places or name in self._coming or self._default_of(column) is not None

    def _default_of(self, column: Any) -> Any:
        """Return the default that SQLAlchemy writes if the statement has no value."""
        if not self._has_defaults:
            return None
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
            self.values[key] = with_note(bind, note)
            self._places[name] = key
        else:
            self._note_default(self._default_of(column), column, note)

    def _noted_value(self, value: Any, column: Any, note: ReferenceParameter) -> Any:
        if value is None or isinstance(value, Null):
            if note.reference.owns:
                refuse_orphan(note.reference)
            if column.name in filled(note.reference, self._target.database):
                refuse_null(note.reference)
            if isinstance(value, Null) or is_sqlalchemys_own(column.type):
                return value
        if isinstance(value, BindParameter):
            return with_note(noted_copy(value), note)
        if hasattr(value, "__clause_element__") or hasattr(value, "_compiler_dispatch"):
            return self._prove(value, column, note.reference)
        return with_note(BindParameter(None, value, type_=column.type, unique=True), note)

    def _note_default(self, default: Any, column: Any, note: ReferenceParameter) -> None:
        if default is None:
            return
        if default.is_clause_element:
            if self._prove(default.arg, column, note.reference) is not default.arg:
                refuse_maybe_null(note.reference)
        elif not self._is_one_of_several and (default.is_scalar or default.is_callable):
            # private: SQLAlchemy names the parameter of a default after the column's key.
            self._target.notes.defaults.append((note, column.key))
        else:
            refuse_expression(note.reference)

    def _prove(self, value: Any, column: Any, reference: Reference) -> Any:
        """Return ``value``, which is proven, or what fails where it is NULL and may not be."""
        target = self._target
        upserted = None if self._has_defaults else base_table(target.table)
        # A column in VALUES is the new row's, with the database's default.
        proof = Proof(reference, target.references_of, upserted, reads_rows=self._updates)
        if not proof.of(value):
            refuse_expression(reference)
        target.notes.add_within(proof.parameters, reference)
        updated = target.table if self._updates else None
        never = NeverNull(target.references_of, reference, updated=updated, upserted=upserted)
        return target.never_null(value, column.name, reference, partial(never.of, value))


def refuse_made_by_database(reference: Reference) -> NoReturn:
    """Raise for a foreign key whose value the database itself would write."""
    names, parent = ", ".join(reference.columns), table_label(reference.parent)
    if reference.is_computed:
        raise UnguardedStatementError(
            f"{names} of {reference.label} is computed by the database and could refer to another "
            f"tenant's {parent}: use tenant_foreign_key()"
        )
    raise UnguardedStatementError(
        f"{names} of {reference.label} is left out, and what the database writes then, a default "
        f"or a number, could refer to another tenant's {parent}: give it a value, or NULL if it "
        "may be NULL and refers to no row"
    )


def refuse_orphan(reference: Reference) -> NoReturn:
    """Raise for a row that would belong to no tenant."""
    raise CrossTenantAccessError(
        f"a row of {reference.label} belongs to a tenant through "
        f"{', '.join(reference.columns)}, which is missing; give it a value"
    )


def not_of_tenant(
    label: str, columns: Iterable[str], parent: FromClause, more: str = ""
) -> CrossTenantAccessError:
    """Return the error for a foreign key to a row that this tenant does not have."""
    return CrossTenantAccessError(
        f"a foreign key of {label} ({', '.join(columns)}) refers to a row of {table_label(parent)} "
        f"that this tenant does not have; refer to one of this tenant's rows{more}"
    )
