"""Notes on the bound parameters that hold foreign keys, from compilation to execution."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeAlias

from sqlalchemy import BindParameter
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from ..errors import UnguardedStatementError
from ..ownership.model import Reference, TypedReference, converts_alike
from .key_types import check_conversion, is_sqlalchemys_own
from .nulls import refuse_maybe_null
from .parameters import role_of
from .proofs import refuse_expression

__all__ = [
    "Notes",
    "ReferenceParameter",
    "ReferenceRows",
    "noted_copy",
    "refuse_shared_names",
    "with_note",
]

_ATTRIBUTE: Final = "_tenantshield_references"
_KEY: Final = "_tenantshield_keys"

_IGNORES_ERRORS: Final = re.compile(r"\bIGNORE\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class ReferenceParameter:
    """Notes that a bound parameter holds one column of one row's foreign key."""

    reference: Reference
    row: object
    """Identifies the row, or the ``SET``, within the statement."""
    position: int
    type_: TypeEngine[Any]
    """The type of the column."""
    given: TypeEngine[Any] | None = None
    """The parameter's type when it is rendered, which its ``bind_expression()`` may replace."""


@dataclass(slots=True)
class ReferenceRows:
    """The names of the parameters of one foreign key in a statement, row by row.

    Attributes:
        rows: the parameters of the foreign key.
        keys: for a table that refers to itself, the parameters of the referred columns in the
            same rows.
        parts: those of ``rows`` that are parts of an expression.
        values: what judges the values, made at the first execution.
    """

    rows: list[tuple[str, ...]] = field(default_factory=list)
    keys: list[tuple[str, ...]] = field(default_factory=list)
    parts: list[tuple[str, ...]] = field(default_factory=list)
    values: Any = None


_Noted: TypeAlias = tuple[ReferenceParameter, str, TypeEngine[Any]]
"""A note, the name of its parameter, and the parameter's type."""


def noted_copy(bind: BindParameter[Any]) -> BindParameter[Any]:
    """Return a copy of ``bind`` that may get notes; itself, if it has been copied before."""
    if _ATTRIBUTE in bind.__dict__ or _KEY in bind.__dict__:
        return bind
    # private: the clone must keep its name, under which the execution passes the value.
    clone: BindParameter[Any] = bind._clone(maintain_key=True)
    # It is looked up among the parameters of the execution.
    clone.literal_execute = False
    return clone


def with_note(
    bind: BindParameter[Any], note: ReferenceParameter, *, is_key: bool = False
) -> BindParameter[Any]:
    """Note on ``bind`` that it holds a foreign key, or a column that others refer to.

    Args:
        bind: the guard's own copy of a parameter; it is changed.
        note: the note.
        is_key: whether it holds a column that other rows of the statement may refer to.
    """
    kind = _KEY if is_key else _ATTRIBUTE
    # SQLAlchemy copies __dict__ when it clones a parameter.
    bind.__dict__[kind] = (*bind.__dict__.get(kind, ()), note)
    return bind


@dataclass(slots=True)
class Notes:
    """The notes on parameters of one statement that the guard does not create itself.

    Attributes:
        defaults: the notes on those that SQLAlchemy creates for defaults, with their names.
        within: the notes on those within an expression.
        skips_rows: whether the statement may insert fewer rows than it is given, so that a row
            that it names proves nothing.
        fails_on_null: the foreign keys that an expression is written to which makes the statement
            fail where it is ``NULL``.
    """

    defaults: list[tuple[ReferenceParameter, str]] = field(default_factory=list)
    within: list[tuple[ReferenceParameter, BindParameter[Any]]] = field(default_factory=list)
    skips_rows: bool = False
    fails_on_null: list[Reference] = field(default_factory=list)

    def add_within(self, parameters: Iterable[BindParameter[Any]], reference: Reference) -> None:
        """Note parameters of an expression, each of which may become the foreign key."""
        self.within.extend(
            (ReferenceParameter(reference, object(), 0, bind.type), bind) for bind in parameters
        )

    def check(self, bind: BindParameter[Any], dialect: Dialect) -> None:
        """Check a parameter that is about to be rendered, if it holds a foreign key.

        Raises:
            UnguardedStatementError: its type may make another key of it.
        """
        notes: tuple[ReferenceParameter, ...] = bind.__dict__.get(_ATTRIBUTE, ())
        if notes:
            bind.__dict__[_ATTRIBUTE] = tuple(
                note if note.given else replace(note, given=bind.type) for note in notes
            )
        further = (
            *(note for note, name in self.defaults if name == bind.key),
            *(note for note, each in self.within if each is bind or each.key == bind.key),
        )
        for note in (*notes, *further):
            check_conversion(note.given or bind.type, dialect, note.reference)

    def check_text(self, text: str) -> None:
        """Refuse ``IGNORE`` where the statement is to fail.

        Args:
            text: the rendered statement.

        Raises:
            UnguardedStatementError: the database would write a value in the place of ``NULL``.
        """
        if self.fails_on_null and _IGNORES_ERRORS.search(text):
            refuse_maybe_null(self.fails_on_null[0])

    def rows(
        self, bind_names: Mapping[BindParameter[Any], str]
    ) -> dict[TypedReference, ReferenceRows]:
        """Return the names of the parameters that hold foreign keys, row by row.

        Args:
            bind_names: the names of all parameters of the rendered statement.

        Raises:
            UnguardedStatementError: a parameter was noted that is not in the statement.
        """
        found: dict[TypedReference, ReferenceRows] = {}
        given = any(_ATTRIBUTE in bind.__dict__ for bind in bind_names)
        if not (given or self.defaults or self.within):
            return found
        defaults = ((note, name, note.type_) for note, name in self.defaults)
        for reference, names, types in _rows([*_noted(bind_names, _ATTRIBUTE), *defaults]):
            found.setdefault(TypedReference(reference, types), ReferenceRows()).rows.append(names)
        for reference, names, types in _rows(self._parts(bind_names)):
            rows = found.setdefault(TypedReference(reference, types), ReferenceRows())
            rows.rows.append(names)
            rows.parts.append(names)
        keys = () if self.skips_rows else _noted(bind_names, _KEY)
        for reference, names, types in _rows(keys):
            for typed, rows in found.items():
                # Equal values are the same key only if they are converted in the same way. The
                # statement's table may have other types than the declared one.
                if typed.reference == reference and all(map(converts_alike, typed.types, types)):
                    rows.keys.append(names)
        return found

    def _parts(self, bind_names: Mapping[BindParameter[Any], str]) -> Iterator[_Noted]:
        for note, bind in self.within:
            # SQLAlchemy may have rendered a copy.
            names = {
                name for each, name in bind_names.items() if each is bind or each.key == bind.key
            }
            if not names:
                refuse_expression(note.reference)
            for name in names:
                yield replace(note, row=object()), name, bind.type


def _noted(bind_names: Mapping[BindParameter[Any], str], kind: str) -> Iterator[_Noted]:
    for bind, name in bind_names.items():
        for note in bind.__dict__.get(kind, ()):
            # The value is converted by the parameter's type, not by the column's.
            yield note, name, note.given or bind.type


def _rows(
    noted: Iterable[_Noted],
) -> Iterator[tuple[Reference, tuple[str, ...], tuple[TypeEngine[Any], ...]]]:
    found: dict[tuple[Reference, object], dict[int, tuple[str, TypeEngine[Any]]]] = {}
    for note, name, type_ in noted:
        found.setdefault((note.reference, note.row), {})[note.position] = (name, type_)
    for (reference, _), places in found.items():
        # A column that is left out is NULL, and then the key refers to no row.
        if len(places) == len(reference.columns):
            names, types = zip(*(places[i] for i in sorted(places)), strict=True)
            yield reference, names, types


def refuse_shared_names(
    found: Mapping[TypedReference, ReferenceRows],
    bind_names: Mapping[BindParameter[Any], str],
    dialect: Dialect,
) -> None:
    """Refuse a foreign key whose value is converted by the type of another parameter.

    Args:
        found: the names of the parameters that hold foreign keys.
        bind_names: the names of all parameters of the rendered statement.
        dialect: the dialect of the database.

    Raises:
        UnguardedStatementError: two parameters have one name, and the type of the other one would
            make another key of the value than the one that is looked up.
    """
    if len(set(bind_names.values())) == len(bind_names):
        return
    for written, noted in found.items():
        columns = map(set, zip(*noted.rows, strict=True))
        for type_, names in zip(written.types, columns, strict=True):
            for bind, name in bind_names.items():
                if name in names and _converts_apart(bind, type_, dialect):
                    raise UnguardedStatementError(
                        f"{', '.join(written.reference.columns)} of {written.reference.label} is "
                        "given by a parameter whose name another one has, of another type, which "
                        "could make another key of the value: give each parameter a name of its own"
                    )


def _converts_apart(bind: BindParameter[Any], type_: TypeEngine[Any], dialect: Dialect) -> bool:
    """Return whether ``bind`` may replace the conversion by ``type_`` of one of its name."""
    # Two types of the application may look alike and convert differently.
    looks_alike = type(bind.type) is type(type_) and repr(bind.type) == repr(type_)
    if bind.type is type_ or (looks_alike and is_sqlalchemys_own(type_)):
        return False
    # private: SQLAlchemy keeps one of these for each name.
    return bind.type._cached_bind_processor(dialect) is not None or role_of(bind) is not None
