"""Hypothesis strategies that compose writes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from hypothesis import strategies as st
from sqlalchemy import (
    CompoundSelect,
    Table,
    TextClause,
    bindparam,
    delete,
    func,
    insert,
    join,
    literal,
    literal_column,
    select,
    text,
    union_all,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from tests.databases import DatabaseName

from .judge import Write
from .schema import ENTITIES, TABLES, TENANT_COLUMNS, unique_keys
from .spots import Place, Spot, bare_table_of, column_in, copy_of, key_for, spots_of
from .values import SHARED, Values

__all__ = ["KINDS", "writes", "writes_of"]

Make = Callable[["Statements"], Write]


class Statements(Values):
    """Makes the choices of one write.

    Attributes:
        is_loose: whether SQLAlchemy leaves out a part of it, which the guard writes.
    """

    is_loose = False

    # -- rows ----------------------------------------------------------------------

    def chosen(self, table: Table) -> list[Spot]:
        """Return the columns that an ``INSERT`` names; the tenant need not be among them."""
        chosen = []
        for spot in spots_of(table):
            if spot.kind == "key":
                likely = 100 if spot.column.name == "number" else self._likely_key()
            elif spot.kind == "tenant":
                likely = 45
            elif spot.kind == "computed":
                likely = 2
            else:
                likely = 97 if spot.is_needed else 55
            if self.chance(likely):
                chosen.append(spot)
        left_out = [each for each in spots_of(table) if each not in chosen]
        self.generates = self.generates or any(each.kind == "key" for each in left_out)
        return chosen or [spots_of(table)[0]]

    def _likely_key(self) -> int:
        return 96 if self.database == "mariadb" else 70

    def row(self, spots: list[Spot], place: Place) -> dict[Any, Any]:
        """Return the values of a row, by keys of every kind."""
        row = {self.key(spot): self.value(spot, place) for spot in spots}
        if self.chance(2):
            again = self.pick(spots)
            row[self.key(again)] = self.value(again, place)
        return row

    def key(self, spot: Spot) -> Any:
        return key_for(self, spot.column)  # type: ignore[arg-type]

    def written(self, table: Table) -> Any:
        """Return a construct of the table that is written."""
        kinds: list[tuple[int, Any]] = [(60, table), (6, copy_of(table)), (4, bare_table_of(table))]
        if table in ENTITIES:
            kinds.append((30, ENTITIES[table]))
        return self.weighted(kinds)

    # -- executing -----------------------------------------------------------------

    def write(self, kind: str, made: Any, table: Table | None = None, **flags: Any) -> Write:
        """Return a write that executes a statement."""
        parameters = dict(self.parameters)
        returns = table is not None and self._may_return(kind) and self.chance(20)
        if table is not None and returns:
            made = made.returning(*(each.column for each in spots_of(table)))
        by_session = not parameters and self.chance(40)

        def run(session: Session, is_alone: bool) -> Any:
            target = session if by_session else session.connection()
            result: Any = target.execute(made, parameters) if parameters else target.execute(made)
            return result.all() if returns or made.is_select else result.rowcount

        return self._write(kind, run, **flags)

    def _write(self, kind: str, run: Callable[[Session, bool], Any], **flags: Any) -> Write:
        return Write(
            kind,
            run,
            collides=self.collides,
            generates=self.generates,
            is_loose=self.is_loose,
            **flags,
        )

    def _may_return(self, kind: str) -> bool:
        return self.database != "mariadb" or kind == "insert"


# -- INSERT ------------------------------------------------------------------------


def _insert(made: Statements) -> Write:
    table = made.pick(TABLES)
    values = made.row(made.chosen(table), Place())
    return made.write("insert", insert(made.written(table)).values(values), table)


def _insert_many(made: Statements) -> Write:
    table = made.pick(TABLES)
    spots = made.chosen(table)
    place = Place(is_many=True)
    keys = [made.key(spot) for spot in spots]
    rows = [
        {key: made.value(spot, place) for key, spot in zip(keys, spots, strict=True)}
        for _ in range(2 + made.upto(1))
    ]
    return made.write("insert many values", insert(made.written(table)).values(rows), table)


def _executemany(made: Statements) -> Write:
    table = made.pick(TABLES)
    spots = made.chosen(table)
    rows = [
        {_string_key(made, spot): made.literal(spot) for spot in spots}
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


def _string_key(made: Statements, spot: Spot) -> str:
    key = spot.column.key
    return made.weighted([(94, key), (3, spot.column.name), (3, key.upper())])


def _orm_insert(made: Statements) -> Write:
    table = made.pick(list(ENTITIES))
    entity = ENTITIES[table]
    spots = made.chosen(table)
    rows = []
    for _ in range(1 + made.upto(2)):
        named = {_attribute(entity, spot): made.literal(spot) for spot in spots}
        rows.append(named)
    tenant = next((each for each in spots_of(table) if each.kind == "tenant"), None)

    def run(session: Session, is_alone: bool) -> Any:
        given = rows
        if is_alone and tenant is not None and tenant not in spots:
            # The ORM writes NULL into what is left out.
            given = [{**row, _attribute(entity, tenant): "A"} for row in rows]
        return getattr(session.execute(insert(entity), given), "rowcount", None)

    return made._write("orm insert", run, is_several=True)


def _attribute(entity: Any, spot: Spot) -> str:
    return str(entity.__mapper__.get_property_by_column(spot.column).key)


def _insert_select(made: Statements) -> Write:
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
    names = [_name(made, spot) for spot in spots]
    columns = [_labelled(made.value(spot, place), n, spot) for n, spot in enumerate(spots)]
    for spot in spots_of(table):
        if spot.kind == "key":
            key = next((each for each in spots_of(other) if each.kind == "key"), None)
            names.append(spot.column.key)
            start = 1000 if key is not None else 1500
            at = column_in(source, key.column) if key is not None else literal(0)
            columns.append(_labelled(at + start, len(columns)))
    query = select(*columns).select_from(source)
    if not made.chance(15):
        query = query.where(made.comparison_of(source, other))
    if made.chance(8):
        query = union_all(query, query.where(literal(1) == 2))
    elif made.chance(8):
        query = query.distinct()
    return names, query


def _labelled(value: Any, position: int, spot: Spot | None = None) -> Any:
    if isinstance(value, TextClause):
        value = literal_column(value.text)
    type_ = None if spot is None else spot.column.type
    column = value if hasattr(value, "_compiler_dispatch") else literal(value, type_)
    return column.label(f"v{position}")


def _name(made: Statements, spot: Spot) -> Any:
    return made.weighted(
        [(60, spot.column.key), (34, spot.column), (4, spot.column.name), (2, made.key(spot))]
    )


# -- upserts -----------------------------------------------------------------------


def _upsert(made: Statements) -> Write:
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
    return module.insert(made.written(table))  # type: ignore[attr-defined]


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
    place = Place((table, table), new=new, avoided=_avoided(made, table))
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


# -- UPDATE and DELETE -------------------------------------------------------------


def _avoided(made: Statements, table: Table) -> frozenset[Table]:
    # Only PostgreSQL says that a subquery reads the table as it was before; the others may
    # see rows that were changed already.
    if made.database == "postgresql":
        return frozenset()
    return frozenset({table, *_changed_with(table)})


def _changed_with(table: Table) -> set[Table]:
    """Return the tables that the database itself changes with ``table``."""
    found = {table}
    while True:
        more = {
            each
            for each in TABLES
            for key in each.foreign_keys
            if key.column.table in found and (key.ondelete or key.onupdate)
        }
        if more <= found:
            return found
        found |= more


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


def _update(made: Statements) -> Write:
    table = made.pick(TABLES)
    written = made.written(table)
    readable = table
    if made.chance(6):
        written = readable = table.alias()
    elif written is not table and written is not ENTITIES.get(table):
        readable = written
    place = Place((readable, table), avoided=_avoided(made, table), is_many=True)
    statement = _where(made, update(written), place)
    values = _set(made, table, place)
    if made.chance(8):
        statement = statement.ordered_values(*values.items())
    else:
        statement = statement.values(values)
    return made.write("update", statement, table if readable is table else None)


def _update_many(made: Statements) -> Write:
    table = made.pick([each for each in TABLES if "id" in each.c])
    spots = [each for each in spots_of(table) if each.kind not in ("computed", "key")]
    chosen = [made.pick(spots) for _ in range(1 + made.upto(1))]
    where = column_in(table, table.c.id) == bindparam("wanted")
    statement = update(table).where(where)
    if made.chance(50):
        values = {made.key(s): bindparam(f"new_{n}") for n, s in enumerate(chosen)}
        statement = statement.values(values)
        names = [f"new_{n}" for n in range(len(chosen))]
    else:
        names = [_string_key(made, spot) for spot in chosen]
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


def _orm_update(made: Statements) -> Write:
    table = made.pick([each for each in ENTITIES if "id" in each.c])
    entity = ENTITIES[table]
    spots = [each for each in spots_of(table) if each.kind not in ("computed", "key")]
    rows = []
    for number in range(1 + made.upto(1)):
        spot = made.pick(spots)
        key = made.weighted([(90, 101 + number), (10, 1 + number)])
        rows.append({"id": key, _attribute(entity, spot): made.literal(spot)})

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


def _update_from(made: Statements) -> Write:
    table = made.pick(TABLES)
    element, other, condition = _beside(made, table)
    avoided = _avoided(made, table)
    place = Place((table, table), ((element, other),), avoided=avoided, is_many=True)
    if made.database == "mariadb" and made.chance(50):
        written = join(table, element, condition)
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


def _delete(made: Statements) -> Write:
    table = made.pick(TABLES)
    written = made.written(table)
    readable = table if written is ENTITIES.get(table) else written
    place = Place((readable, table), avoided=_avoided(made, table))
    statement = _where(made, delete(written), place)
    return made.write("delete", statement, table if readable is table else None)


def _delete_using(made: Statements) -> Write:
    table = made.pick(TABLES)
    element, other, condition = _beside(made, table)
    place = Place((table, table), ((element, other),), avoided=_avoided(made, table))
    statement = _where(made, delete(table).where(condition), place)
    return made.write("delete using", statement)


# -- CTEs that write -----------------------------------------------------------------


def _cte(made: Statements) -> Write:
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
        names = [_name(made, spot) for spot in spots]
        columns = [_labelled(made.value(spot, within), n, spot) for n, spot in enumerate(spots)]
        for spot in spots_of(other):
            if spot.kind == "key":
                names.append(spot.column.key)
                columns.append(
                    _labelled(func.row_number().over(order_by=changed.c[keys[0].key]) + 2000, 99)
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


KINDS: Final[dict[str, tuple[int, Make, frozenset[DatabaseName]]]] = {
    name: (weight, make, frozenset(only or ("sqlite", "postgresql", "mariadb")))
    for name, weight, make, only in (
        ("insert", 14, _insert, ()),
        ("insert many values", 8, _insert_many, ()),
        ("insert executemany", 6, _executemany, ()),
        ("orm insert", 5, _orm_insert, ()),
        ("insert from select", 10, _insert_select, ()),
        ("upsert", 20, _upsert, ()),
        ("update", 16, _update, ()),
        ("update executemany", 5, _update_many, ()),
        ("orm update", 4, _orm_update, ()),
        ("update from", 10, _update_from, ()),
        ("delete", 10, _delete, ()),
        ("delete using", 5, _delete_using, ("postgresql", "mariadb")),
        ("writing cte", 8, _cte, ("postgresql",)),
    )
}


@st.composite
def writes_of(draw: Any, database: DatabaseName, kind: str) -> Write:
    """Writes of one kind."""
    return _composed(Statements(draw, database), kind)


@st.composite
def writes(draw: Any, database: DatabaseName) -> Write:
    """Writes of every kind."""
    made = Statements(draw, database)
    offered = [(weight, name) for name, (weight, _, only) in KINDS.items() if database in only]
    return _composed(made, made.weighted(offered))


def _composed(made: Statements, kind: str) -> Write:
    try:
        return KINDS[kind][1](made)
    except SQLAlchemyError as found:
        error = found

    def run(session: Session, is_alone: bool) -> Any:
        raise error

    return Write(kind, run)
