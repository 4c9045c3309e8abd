"""Look up the foreign keys of a statement before it is sent, in one query per foreign key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from sqlalchemy import BindParameter, Enum, Integer, String, Uuid, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ResourceClosedError
from sqlalchemy.types import TypeEngine

from ..compiler.foreign_keys import not_of_tenant, refuse_orphan
from ..compiler.key_types import converted, is_sqlalchemys_own
from ..compiler.notes import ReferenceRows
from ..compiler.nulls import filled, makes_number_of_0, refuse_null, refuse_zero
from ..compiler.predicates import OwnRows, keys_of
from ..databases import database_for
from ..errors import ConfigurationError, CrossTenantAccessError
from ..orm.flush import flush_on
from ..ownership.limits import converts_in_database
from ..ownership.model import Reference, TypedReference, table_label
from ..ownership.narrowing import is_kept, plain_number

__all__ = ["check_references"]

CHUNK: Final = 5_000
"""The number of values in one query; databases limit the parameters of a statement."""

CHUNK_CONVERTED: Final = 200
"""The same where each value stands in a condition of its own; databases limit their depth."""


def check_references(
    connection: Connection,
    rows: Mapping[TypedReference, ReferenceRows],
    parameters: Iterable[Mapping[str, Any]],
    options: Mapping[str, Any],
) -> None:
    """Check that the foreign keys of a statement refer to this tenant's rows.

    Args:
        connection: the connection on which the statement will be sent.
        rows: the names of the parameters, by foreign key.
        parameters: the parameters of each execution.
        options: the execution options of the statement.

    Raises:
        CrossTenantAccessError: a foreign key refers to a row that this tenant does not have, or
            is not of the column's type.
    """
    parameters = list(parameters)
    moved = options.get("schema_translate_map")
    where = {"schema_translate_map": moved} if moved else {}
    for written, (names, keys) in rows.items():
        reference = written.reference
        wanted = _distinct(reference, _values(names, parameters))
        nowhere = [each for each in wanted if None in each]
        if nowhere:
            _check_nowhere(connection, written, nowhere)
            wanted.difference_update(nowhere)
        if reference.numbered:
            _refuse_zero(connection, written, wanted)
        if reference.is_narrower:
            _check_fits(reference, wanted)
        is_plain = _check_types(written, wanted, names, parameters)
        if keys and wanted:
            own = _values_of_own_rows(names, keys, parameters)
            if database_for(connection.dialect).numbers_zero:
                own = {each for each in own if is_kept(each, written.types)}
            wanted -= own
        if not wanted:
            continue
        # What a session knows is of the tables' own schemas.
        flush = flush_on(connection) if is_plain and not where else None
        if flush is not None:
            wanted = flush.unproven(written, wanted)
            if not wanted:
                continue
        if not _all_there(connection, written, list(wanted), where):
            raise not_of_tenant(
                reference.label,
                reference.columns,
                reference.parent,
                _but_not_shared(reference),
            )
        if flush is not None:
            flush.prove(written, wanted)


def _check_fits(reference: Reference, values: Iterable[tuple[Any, ...]]) -> None:
    """Refuse values that the database would round or cut to another key."""
    for value in values:
        for check, each in zip(reference.fits, value, strict=True):
            if check is not None and not check(each):
                raise CrossTenantAccessError(
                    f"a foreign key of {reference.label} ({', '.join(reference.columns)}) cannot "
                    f"hold the given value of {table_label(reference.parent)} as it is, and the "
                    "database might make another key of it: give the column the type of the one "
                    "that it refers to"
                )


def _distinct(reference: Reference, values: Iterable[tuple[Any, ...]]) -> set[tuple[Any, ...]]:
    try:
        return set(values)
    except TypeError:
        raise CrossTenantAccessError(
            f"a foreign key of {reference.label} ({', '.join(reference.columns)}) is a list, or "
            "another value without a hash, and cannot be looked up in "
            f"{table_label(reference.parent)}: give a tuple, and both columns a type with tuples, "
            "such as ARRAY(..., as_tuple=True)"
        ) from None


def _but_not_shared(reference: Reference) -> str:
    if not reference.to_own_rows:
        return ""
    return ", and not to one that every tenant reads: the row would be one of these as well"


def _values_of_own_rows(
    names: list[tuple[str, ...]],
    keys: list[tuple[str, ...]],
    parameters: list[Mapping[str, Any]],
) -> set[tuple[Any, ...]]:
    """Return the values that refer only to rows which the same statement inserts before them.

    Either such a row becomes this tenant's, or the statement fails: if the rows are sent one by
    one, it fails at that row, before any row that refers to it is sent.
    """
    inserted: set[tuple[Any, ...]] = set()
    own: set[tuple[Any, ...]] = set()
    others: set[tuple[Any, ...]] = set()
    for each in parameters:
        inserted.update(tuple(map(each.__getitem__, row)) for row in keys)
        for row in names:
            value = tuple(map(each.__getitem__, row))
            (own if value in inserted else others).add(value)
    return own - others


def _values(
    names: list[tuple[str, ...]], parameters: list[Mapping[str, Any]]
) -> Iterator[tuple[Any, ...]]:
    for row in names:
        if len(parameters) == 1:
            yield tuple(map(parameters[0].__getitem__, row))
        else:
            yield from zip(*([each[name] for each in parameters] for name in row), strict=True)


def _check_nowhere(
    connection: Connection, written: TypedReference, nowhere: Iterable[tuple[Any, ...]]
) -> None:
    """Refuse a foreign key to no row, if there must be one or ``None`` becomes a key."""
    reference = written.reference
    if reference.owns:
        refuse_orphan(reference)
    columns = filled(reference, database_for(connection.dialect))
    if any(each[reference.columns.index(name)] is None for name in columns for each in nowhere):
        refuse_null(reference)
    _check_null(connection, written)


def _refuse_zero(
    connection: Connection, written: TypedReference, values: Iterable[tuple[Any, ...]]
) -> None:
    """Refuse 0 where the database writes the next number instead."""
    reference, dialect = written.reference, connection.dialect
    for position, (name, type_) in enumerate(zip(reference.columns, written.types, strict=True)):
        if not makes_number_of_0(reference, name, database_for(dialect)):
            continue
        # private: what converts a value before it is sent.
        process = type_._cached_bind_processor(dialect)
        for each in values:
            sent = each[position] if process is None else process(each[position])
            if not is_kept([sent], [type_]):
                refuse_zero(reference)


def _check_null(connection: Connection, written: TypedReference) -> None:
    """Refuse a foreign key that is ``None`` if its type makes a key of that."""
    reference, dialect = written.reference, connection.dialect
    for type_ in written.types:
        if is_sqlalchemys_own(type_):
            continue
        # private: what converts a value before it is sent.
        process = type_._cached_bind_processor(dialect)
        makes_key = process is not None and process(None) is not None
        given = BindParameter(None, None, type_=type_, unique=True)
        if not makes_key and converted(given, dialect) is not None:
            makes_key = bool(connection.scalar(select(func.count(given))))
        if makes_key:
            raise CrossTenantAccessError(
                f"a foreign key of {reference.label} ({', '.join(reference.columns)}) is None, and "
                f"its type makes of that a key, which could be another tenant's "
                f"{table_label(reference.parent)}: give the key itself, or null()"
            )


def _check_types(
    written: TypedReference,
    values: Iterable[tuple[Any, ...]],
    names: list[tuple[str, ...]],
    parameters: list[Mapping[str, Any]],
) -> bool:
    """Refuse values that the database would convert to a text, or that only Python takes for equal.

    The number 42 is found as ``"042"`` on MariaDB and stored as ``"42"``, which may be another
    tenant's key. ``1`` and ``1.0`` are one value of a set, and may be two texts.

    Returns:
        whether the types are SQLAlchemy's own, so that equal values are the same key.
    """
    texts = [
        position
        for position, type_ in enumerate(written.types)
        if isinstance(type_, String) and not isinstance(type_, Enum)
    ]
    if texts and not all(isinstance(value[each], str) for value in values for each in texts):
        reference = written.reference
        raise CrossTenantAccessError(
            f"a foreign key of {reference.label} ({', '.join(reference.columns)}) is no text, "
            "unlike its column: which key the database would make of it is not known; give a "
            "string"
        )
    if all(map(is_sqlalchemys_own, written.types)):
        return True
    seen: dict[Any, str] = {}
    for each in parameters:
        for row in names:
            value = tuple(map(each.__getitem__, row))
            if seen.setdefault(value, repr(value)) != repr(value):
                raise CrossTenantAccessError(
                    f"foreign keys of {written.reference.label} are equal, but not the same: give "
                    "them all as one type"
                )
    return False


def _all_there(
    connection: Connection,
    written: TypedReference,
    wanted: list[tuple[Any, ...]],
    options: Mapping[str, Any],
) -> bool:
    size = CHUNK_CONVERTED if any(map(converts_in_database, written.types)) else CHUNK
    for start in range(0, len(wanted), size):
        chunk = wanted[start : start + size]
        found = {_as_stored(each, written) for each in _found(connection, written, chunk, options)}
        # The database may return a key in another spelling than it was given. Counting the rows
        # would not do: one value may match several, as the number 1 matches "1" and "01" on
        # MariaDB. So a key that seems to be missing is looked up on its own.
        missing = (each for each in chunk if _as_stored(each, written) not in found)
        if not all(_found(connection, written, [each], options) for each in missing):
            return False
    return True


def _as_stored(key: tuple[Any, ...], written: TypedReference) -> tuple[Any, ...]:
    """Return ``key`` as the database stores it, if that is certain, such as 1 for "1"."""
    return tuple(map(_value_as_stored, key, written.types))


def _value_as_stored(value: Any, type_: TypeEngine[Any]) -> Any:
    if type(value) is not str or not is_sqlalchemys_own(type_):
        return value
    if isinstance(type_, Integer):
        number = plain_number(value)
        return value if number is None else number
    if isinstance(type_, Uuid):
        return value.replace("-", "")
    return value


def _found(
    connection: Connection,
    written: TypedReference,
    wanted: list[tuple[Any, ...]],
    options: Mapping[str, Any],
) -> set[tuple[Any, ...]]:
    """Return those of the keys ``wanted`` that this tenant has, as the database spells them."""
    reference = written.reference
    columns, criterion = keys_of(reference.parent, reference.parent_columns, written.types, wanted)
    # The guard confines this query like any other.
    found = select(*columns).where(criterion)
    if reference.to_own_rows:
        found = found.where(OwnRows(columns[0]))
    try:
        rows = connection.execute(found, execution_options=options).all()
    except ResourceClosedError:
        raise ConfigurationError(
            f"a foreign key of {reference.label} cannot be looked up, since the driver has no "
            "answer of the database, as in psycopg's pipeline mode: execute the statement outside "
            "of it"
        ) from None
    return _distinct(reference, map(tuple, rows))
