"""Composes each form of UPDATE and DELETE, and the CTEs that write."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    Table,
    bindparam,
    delete,
    func,
    insert,
    join,
    select,
    text,
    update,
)
from sqlalchemy.orm import Session

from .choosing import Statements, attribute_of, avoided_in, labelled, name_of, string_key
from .schema import ENTITIES, TABLES
from .sides import Write
from .spots import Place, column_in, spots_of

__all__ = [
    "write_cte",
    "write_delete",
    "write_delete_using",
    "write_orm_update",
    "write_update",
    "write_update_from",
    "write_update_many",
]


# -- UPDATE and DELETE -------------------------------------------------------------


def _set(made: Statements, table: Table, place: Place) -> dict[Any, Any]:
    settable = [each for each in spots_of(table) if each.kind != "computed"]
    likely = [each for each in settable if each.kind not in ("key", "tenant")] or settable
    values: dict[Any, Any] = {}
    for _ in range(1 + made.upto(2)):
        spot = made.pick(settable if made.chance(10) else likely)
        if spot.column.primary_key:
            # Several rows cannot have one key, and which comes first is not said.
            made.collides = True
        values[made.key(spot)] = made.value(spot, place)
    return values


def _where(made: Statements, statement: Any, place: Place) -> Any:
    if made.chance(2) and statement.whereclause is None:
        # Nothing stands beside it but what the guard adds.
        return statement.where(text("1 = 1 OR 2 = 2"))
    for _ in range(made.weighted([(8, 0), (80, 1), (12, 2)])):
        statement = statement.where(made.condition(place))
    return statement


def write_update(made: Statements) -> Write:
    table = made.pick(TABLES)
    written: Any = made.written(table)
    readable: Any = table
    if made.chance(6):
        written = readable = table.alias()
    elif written is not table and written is not ENTITIES.get(table):
        readable = written
    place = Place((readable, table), avoided=avoided_in(made, table), is_many=True)
    statement = _where(made, update(written), place)
    values = _set(made, table, place)
    if made.chance(8):
        statement = statement.ordered_values(*values.items())
    else:
        statement = statement.values(values)
    return made.write("update", statement, table if readable is table else None)


def write_update_many(made: Statements) -> Write:
    table = made.pick([each for each in TABLES if "id" in each.c])
    spots = [each for each in spots_of(table) if each.kind not in ("computed", "key")]
    chosen = [made.pick(spots) for _ in range(1 + made.upto(1))]
    where = column_in(table, table.c.id) == bindparam("wanted")
    statement = update(table).where(where)
    if made.chance(50):
        values: dict[Any, Any] = {made.key(s): bindparam(f"new_{n}") for n, s in enumerate(chosen)}
        statement = statement.values(values)
        names = [f"new_{n}" for n in range(len(chosen))]
    else:
        names = [string_key(made, spot) for spot in chosen]
    rows = [
        {
            "wanted": made.pick([101, 102, 103, 1, 2]),
            **{name: made.literal(s) for name, s in zip(names, chosen, strict=True)},
        }
        for _ in range(2)
    ]

    def run(session: Session, is_alone: bool) -> Any:
        return session.connection().execute(statement, rows).rowcount

    return made._write("update executemany", run)


def write_orm_update(made: Statements) -> Write:
    table = made.pick([each for each in ENTITIES if "id" in each.c])
    entity = ENTITIES[table]
    spots = [each for each in spots_of(table) if each.kind not in ("computed", "key")]
    rows = []
    for number in range(1 + made.upto(1)):
        spot = made.pick(spots)
        key = made.weighted([(90, 101 + number), (10, 1 + number)])
        rows.append({"id": key, attribute_of(entity, spot): made.literal(spot)})

    def run(session: Session, is_alone: bool) -> Any:
        session.execute(update(entity), rows)
        return None

    # A row that is not there is an error of the ORM's own.
    made.collides = True
    return made._write("orm update", run, is_several=True)


def _beside(made: Statements, table: Table) -> tuple[Any, Table, Any]:
    """Return another element, and a condition for which each row has one of its rows at most."""
    parents = [each for each in spots_of(table) if each.parent is not None]
    own = [each for each in spots_of(table) if each.kind == "key"]
    if parents and (not own or made.chance(65)):
        spot = made.pick(parents)
        assert spot.parent is not None
        element, other = made.element(spot.parent), spot.parent
        if other is table and element is table:
            element = table.alias()
        return element, other, column_in(element, other.c.id) == spot.column
    element = table.alias() if made.chance(70) else select(table).subquery()
    keys = [each.column for each in spots_of(table) if each.column.primary_key]
    return element, table, column_in(element, keys[-1]) == keys[-1]


def write_update_from(made: Statements) -> Write:
    table = made.pick(TABLES)
    element, other, condition = _beside(made, table)
    avoided = avoided_in(made, table)
    place = Place((table, table), ((element, other),), avoided=avoided, is_many=True)
    if made.database == "mariadb" and made.chance(50):
        written: Any = join(table, element, condition)
        statement = _where(made, update(written), place)
        kind = "update of a join"
    else:
        written = ENTITIES[table] if table in ENTITIES and made.chance(30) else table
        statement = _where(made, update(written).where(condition), place)
        kind = "update from"
    values = _set(made, table, place)
    if made.chance(20) and hasattr(element, "c"):
        # MariaDB writes to it; elsewhere it is a key of the same name.
        spot = made.pick([each for each in spots_of(other) if each.kind not in ("computed", "key")])
        values[column_in(element, spot.column)] = made.literal(spot)
    return made.write(kind, statement.values(values))


def write_delete(made: Statements) -> Write:
    table = made.pick(TABLES)
    written = made.written(table)
    readable = table if written is ENTITIES.get(table) else written
    place = Place((readable, table), avoided=avoided_in(made, table))
    statement = _where(made, delete(written), place)
    return made.write("delete", statement, table if readable is table else None)


def write_delete_using(made: Statements) -> Write:
    table = made.pick(TABLES)
    element, other, condition = _beside(made, table)
    place = Place((table, table), ((element, other),), avoided=avoided_in(made, table))
    statement = _where(made, delete(table).where(condition), place)
    return made.write("delete using", statement)


# -- CTEs that write -----------------------------------------------------------------


def write_cte(made: Statements) -> Write:
    table = made.pick(TABLES)
    place = Place((table, table), is_many=True)
    keys = [each.column for each in spots_of(table)]
    form = made.pick(["insert", "update", "delete"])
    if form == "insert":
        inner: Any = insert(table).values(made.row(made.chosen(table), Place()))
    elif form == "update":
        inner = _where(made, update(table), place).values(_set(made, table, place))
    else:
        inner = _where(made, delete(table), place)
    changed = inner.returning(*keys).cte()
    outer = made.pick(["select", "insert", "update"])
    if outer == "insert":
        other = made.pick(TABLES)
        within = Place(sources=((changed, table),), is_many=True)
        spots = [each for each in made.chosen(other) if each.kind != "key"]
        names = [name_of(made, spot) for spot in spots]
        columns = [labelled(made.value(spot, within), n, spot) for n, spot in enumerate(spots)]
        for spot in spots_of(other):
            if spot.kind == "key":
                names.append(spot.column.key)
                columns.append(
                    labelled(func.row_number().over(order_by=changed.c[keys[0].key]) + 2000, 99)
                )
        statement: Any = insert(other).from_select(
            names, select(*columns).select_from(changed), include_defaults=made.chance(80)
        )
    elif outer == "update":
        other = made.pick([each for each in TABLES if each is not table])
        about = Place((other, other), is_many=True)
        statement = _where(made, update(other), about).values(_set(made, other, about))
        statement = statement.add_cte(changed)
    else:
        statement = select(changed)
    return made.write("writing cte", statement)
