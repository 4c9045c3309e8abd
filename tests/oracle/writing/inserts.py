"""Composes each form of INSERT."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    CompoundSelect,
    Table,
    insert,
    literal,
    select,
    union_all,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session
from sqlalchemy.sql.expression import ClauseElement, TableClause
from sqlalchemy.sql.visitors import iterate

from .choosing import Statements, attribute_of, avoided_in, labelled, name_of, string_key
from .literals import SHARED
from .schema import ENTITIES, TABLES, TENANT_COLUMNS, unique_keys
from .sides import Write
from .spots import Place, Spot, column_in, spots_of

__all__ = [
    "write_executemany",
    "write_insert",
    "write_insert_many",
    "write_insert_select",
    "write_orm_insert",
    "write_upsert",
]


# -- INSERT ------------------------------------------------------------------------


def write_insert(made: Statements) -> Write:
    table = made.pick(TABLES)
    values = made.row(made.chosen(table), Place())
    return made.write("insert", insert(made.written(table)).values(values), table)


def write_insert_many(made: Statements) -> Write:
    table = made.pick(TABLES)
    spots = made.chosen(table)
    place = Place(is_many=True)
    keys = [made.key(spot) for spot in spots]
    rows = [
        {key: made.value(spot, place) for key, spot in zip(keys, spots, strict=True)}
        for _ in range(2 + made.upto(1))
    ]
    if made.database == "mariadb" and any(
        _reads(value, table) for row in rows for value in row.values()
    ):
        # Whether such a value sees the rows inserted before it in the same statement depends on
        # MariaDB's plan for the subquery, so the guard's EXISTS changes it.
        made.is_loose = True
    return made.write("insert many values", insert(made.written(table)).values(rows), table)


def _reads(value: Any, table: Table) -> bool:
    """Return whether ``value`` is an expression that reads ``table``."""
    return isinstance(value, ClauseElement) and any(
        getattr(each, "name", None) == table.name
        for each in iterate(value)
        if isinstance(each, TableClause)
    )


def write_executemany(made: Statements) -> Write:
    table = made.pick(TABLES)
    spots = made.chosen(table)
    rows = [
        {string_key(made, spot): made.literal(spot) for spot in spots}
        for _ in range(2 + made.upto(1))
    ]
    written = made.written(table)
    statement = insert(written)
    fixed = [each for each in spots_of(table) if each not in spots and each.kind != "computed"]
    if fixed and made.chance(15):
        spot = made.pick(fixed)
        statement = statement.values({made.key(spot): made.value(spot, Place(is_many=True))})
    later = dict(made.parameters)
    rows = [{**row, **later} for row in rows]

    def run(session: Session, is_alone: bool) -> Any:
        return session.connection().execute(statement, rows).rowcount

    return made._write("insert executemany", run)


def write_orm_insert(made: Statements) -> Write:
    table = made.pick(list(ENTITIES))
    entity = ENTITIES[table]
    spots = made.chosen(table)
    rows = []
    for _ in range(1 + made.upto(2)):
        named = {attribute_of(entity, spot): made.literal(spot) for spot in spots}
        rows.append(named)
    tenant = next((each for each in spots_of(table) if each.kind == "tenant"), None)

    def run(session: Session, is_alone: bool) -> Any:
        given = rows
        if is_alone and tenant is not None and tenant not in spots:
            # The ORM writes NULL into what is left out.
            given = [{**row, attribute_of(entity, tenant): "A"} for row in rows]
        return getattr(session.execute(insert(entity), given), "rowcount", None)

    return made._write("orm insert", run, is_several=True)


def write_insert_select(made: Statements) -> Write:
    table = made.pick(TABLES)
    names, chosen = _selected(made, table)
    statement = insert(made.written(table)).from_select(names, chosen)
    return made.write("insert from select", statement, table)


def _selected(made: Statements, table: Table) -> tuple[list[Any], Any]:
    """Return the names of an ``INSERT ... SELECT`` and its query."""
    # Many rows are of the same table: their foreign keys fit.
    other = table if made.chance(60) else made.pick(TABLES)
    source = made.element(other)
    place = Place(sources=((source, other),), is_many=True)
    spots = [each for each in made.chosen(table) if each.kind != "key"]
    names = [name_of(made, spot) for spot in spots]
    columns = [labelled(made.value(spot, place), n, spot) for n, spot in enumerate(spots)]
    for spot in spots_of(table):
        if spot.kind == "key":
            key = next((each for each in spots_of(other) if each.kind == "key"), None)
            names.append(spot.column.key)
            start = 1000 if key is not None else 1500
            at = column_in(source, key.column) if key is not None else literal(0)
            columns.append(labelled(at + start, len(columns)))
    query: Any = select(*columns).select_from(source)
    if not made.chance(15):
        query = query.where(made.comparison_of(source, other))
    if made.chance(8):
        query = union_all(query, query.where(literal(1) == 2))
    elif made.chance(8):
        query = query.distinct()
    return names, query


# -- upserts -----------------------------------------------------------------------


def write_upsert(made: Statements) -> Write:
    table = made.pick(TABLES)
    key = made.pick(list(unique_keys(table)))
    spots = made.chosen(table)
    spots += [each for each in spots_of(table) if each.column.name in key and each not in spots]
    tenant = TENANT_COLUMNS.get(table.name)
    spots = [each for each in spots if each.column.name != tenant or made.chance(40)]
    made.generates = made.generates or made.database == "mariadb"
    place = Place(is_many=True)
    form = made.weighted([(60, "one"), (20, "many"), (20, "select")])
    statement: Any = _inserting(made, table)
    if form == "select" and made.database != "mariadb":
        names, query = _selected(made, table)
        # SQLite takes ON for the beginning of a join otherwise.
        if isinstance(query, CompoundSelect):
            query = select(query.subquery())
        statement = statement.from_select(names, query.where(literal(1) == 1))
    elif form == "many":
        names = [made.key(spot) for spot in spots]
        statement = statement.values(
            [
                {name: _in_the_way(made, s, place) for name, s in zip(names, spots, strict=True)}
                for _ in range(2)
            ]
        )
    else:
        statement = statement.values(
            {made.key(spot): _in_the_way(made, spot, place) for spot in spots}
        )
    if any(each.kind == "key" and each.column.name != "number" for each in spots):
        made.collides = True
    statement = _on_conflict(made, statement, table, key)
    return made.write("upsert", statement, table, is_upsert=True)


def _inserting(made: Statements, table: Table) -> Any:
    module = {"sqlite": sqlite, "postgresql": postgresql, "mariadb": mysql}[made.database]
    return module.insert(made.written(table))


def _in_the_way(made: Statements, spot: Spot, place: Place) -> Any:
    """Return a value, of a key often one that is there already."""
    if spot.kind == "key" and made.chance(75):
        start = 0 if spot.column.name == "number" or made.chance(25) else 100
        return start + 1 + made.upto(2)
    if spot.column.name == "code" and made.chance(60):
        return made.pick(["c1", "c2", "c3"])
    if spot.column.name == "badge" and made.chance(60):
        return made.literal(spot) if made.chance(20) else made.pick(["b1", "b2", "b3"])
    if spot.kind == "reference" and made.chance(60):
        # What is set is tried, and that takes a row that can be inserted.
        most = 3 if spot.parent is None or spot.parent.name in SHARED else 103
        return most - made.upto(2)
    return made.value(spot, place)


def _on_conflict(made: Statements, statement: Any, table: Table, key: tuple[str, ...]) -> Any:
    mysql_like = made.database == "mariadb"
    new = statement.inserted if mysql_like else statement.excluded
    place = Place((table, table), new=new, avoided=avoided_in(made, table))
    settable = [each for each in spots_of(table) if each.kind != "computed"]
    likely = [each for each in settable if each.kind not in ("key", "tenant")] or settable
    references = [each for each in likely if each.kind == "reference"]
    values = {}
    for _ in range(1 + made.upto(1)):
        spot = made.pick(settable if made.chance(12) else likely)
        if references and made.chance(40):
            spot = made.pick(references)
        key_given = made.key(spot)
        values[key_given] = made.value(spot, place)
        # SQLAlchemy drops such a key, with a warning; the guard writes it.
        is_loose = mysql_like and not (isinstance(key_given, str) and key_given in new)
        made.is_loose = made.is_loose or is_loose
    if mysql_like:
        return statement.on_duplicate_key_update(values)
    arbiter = [made.weighted([(80, name), (20, _by_name(table, name))]) for name in key]
    if made.chance(12):
        return statement.on_conflict_do_nothing(index_elements=arbiter if made.chance(60) else None)
    where = made.condition(Place((table, table))) if made.chance(15) else None
    return statement.on_conflict_do_update(index_elements=arbiter, set_=values, where=where)


def _by_name(table: Table, name: str) -> Any:
    return next(each for each in table.c if each.name == name)
