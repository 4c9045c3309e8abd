"""Look up the foreign keys of a statement before it is sent, in one query per foreign key."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import BindParameter, Enum, func, select
from sqlalchemy.engine import Connection
from sqlalchemy.exc import ResourceClosedError

from ..compiler.foreign_keys import not_of_tenant, refuse_orphan
from ..compiler.key_types import converted, is_sqlalchemys_own
from ..compiler.notes import ReferenceRows
from ..compiler.nulls import filled, makes_number_of_0, refuse_null, refuse_zero
from ..compiler.predicates import OwnRows, keys_of, keys_per_query
from ..databases import database_for
from ..errors import ConfigurationError, CrossTenantAccessError
from ..orm.flush import flush_on
from ..ownership.limits import undecorated
from ..ownership.model import Reference, TypedReference, table_label
from ..ownership.narrowing import is_kept
from .key_values import KeyValues

__all__ = ["check_references"]


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
    for written, found in rows.items():
        reference = written.reference
        values: KeyValues | None = found.values
        if values is None:
            values = found.values = KeyValues(written, connection.dialect)
        given = list(_values(found.rows, parameters))
        wanted = _distinct(reference, given)
        nowhere = [each for each in wanted if None in each]
        if nowhere:
            _check_nowhere(connection, written, nowhere)
            wanted.difference_update(nowhere)
        is_plain = values.check(given, _values(found.parts, parameters))
        others = [] if is_plain else values.spelled_otherwise(given)
        others = [each for each in others if None not in each]
        if reference.numbered:
            _refuse_zero(connection, written, wanted)
        if reference.is_narrower:
            _check_fits(reference, map(values.sent, [*wanted, *others]))
        if found.keys and wanted and is_plain:
            wanted -= _values_of_own_rows(connection, written, found, parameters)
        if not wanted:
            continue
        # What a session knows is of the tables' own schemas.
        flush = flush_on(connection) if is_plain and not where else None
        if flush is not None:
            before, wanted = wanted, flush.unproven(written, wanted)
            # Those that the flush has gathered for later were not checked yet.
            wanted = {each for each in wanted if each in before or values.accepts(each)}
            if not wanted:
                continue
        if not _all_there(connection, written, values, list(wanted), others, where):
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
    connection: Connection,
    written: TypedReference,
    found: ReferenceRows,
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
        inserted.update(tuple(map(each.__getitem__, row)) for row in found.keys)
        for row in found.rows:
            value = tuple(map(each.__getitem__, row))
            (own if value in inserted else others).add(value)
    own -= others
    if database_for(connection.dialect).numbers_zero:
        own = {each for each in own if is_kept(each, written.types)}
    return own


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


def _all_there(
    connection: Connection,
    written: TypedReference,
    values: KeyValues,
    wanted: list[tuple[Any, ...]],
    others: list[tuple[Any, ...]],
    options: Mapping[str, Any],
) -> bool:
    """Return whether this tenant has the rows ``wanted``, and ``others``, which are equal to some.

    Python would find one of ``others`` where the database has only its equal.
    """
    size = keys_per_query(written.types) if values.are_told_apart else 1
    for start in range(0, len(wanted), size):
        chunk = wanted[start : start + size]
        found = set(map(values.as_found, _found(connection, written, values, chunk, options)))
        # The database may return a key in another spelling than it was given. Counting the rows
        # would not do: one value may match several, as the number 1 matches "1" and "01" on
        # MariaDB. So a key that seems to be missing is looked up on its own.
        missing = (each for each in chunk if values.as_looked_up(each) not in found)
        if not all(_found(connection, written, values, [each], options) for each in missing):
            return False
    return all(_found(connection, written, values, [each], options) for each in others)


def _found(
    connection: Connection,
    written: TypedReference,
    values: KeyValues,
    wanted: list[tuple[Any, ...]],
    options: Mapping[str, Any],
) -> set[tuple[Any, ...]]:
    """Return those of the keys ``wanted`` that this tenant has, as the database spells them."""
    reference = written.reference
    _, criterion = keys_of(reference.parent, reference.parent_columns, written.types, wanted)
    columns = values.columns_of(reference.parent)
    # The guard confines this query like any other.
    found = select(*columns).where(criterion)
    if reference.to_own_rows:
        found = found.where(OwnRows(columns[0]))
    try:
        rows = connection.execute(found, execution_options=options).all()
    except LookupError:
        if not any(isinstance(undecorated(each), Enum) for each in written.types):
            raise
        raise CrossTenantAccessError(
            f"a foreign key of {reference.label} ({', '.join(reference.columns)}) refers to a row "
            f"of {table_label(reference.parent)} whose key is no value of the column's "
            "enumeration: give both columns the same type"
        ) from None
    except ResourceClosedError:
        raise ConfigurationError(
            f"a foreign key of {reference.label} cannot be looked up, since the driver has no "
            "answer of the database, as in psycopg's pipeline mode: execute the statement outside "
            "of it"
        ) from None
    return _distinct(reference, map(tuple, rows))
