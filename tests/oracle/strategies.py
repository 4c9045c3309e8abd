"""Hypothesis strategies that compose statements from the schema."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st
from sqlalchemy import delete, insert, inspect, select, update
from sqlalchemy.orm import (
    Session,
    aliased,
    immediateload,
    joinedload,
    lazyload,
    selectinload,
    subqueryload,
    with_loader_criteria,
)

from tests.databases import DatabaseName

from .choices import NUMBERS, STRINGS
from .composer import Composer
from .elements import ENTITIES, WRITTEN, Col, Node, columns_of
from .schema import Depot, Document, Fleet, Sailor, Vessel, table_of

__all__ = ["Composed", "copies", "deletes", "objects", "selects", "statements", "updates"]


@dataclass(frozen=True, slots=True)
class Composed:
    """A composed statement, and how to run it."""

    what: str
    statement: Any
    run: Callable[[Session], Any]
    writes: bool = False

    def __repr__(self) -> str:
        return f"<{self.what}>"


@st.composite
def selects(draw: Any, database: DatabaseName) -> Composed:
    """Selects of columns, out of tables or entities."""
    composer = Composer(draw, database, entities=draw(st.booleans()))
    made, _ = composer.select(0)
    return Composed("select", made, lambda session: session.execute(made))


# -- objects ---------------------------------------------------------------------

_LOADERS: Final = (joinedload, selectinload, subqueryload, lazyload, immediateload)


@st.composite
def objects(draw: Any, database: DatabaseName) -> Composed:
    """Selects of entities, joined along relationships, with every kind of loading."""
    composer = Composer(draw, database, entities=True)
    kind = composer.pick(ENTITIES)
    entity = aliased(kind) if composer.chance(20) else kind
    made = select(entity)
    columns = columns_of(entity, kind)
    leaves: tuple[Any, ...] = (entity,)
    if entity is kind:
        composer.take(kind)
    at, at_kind = entity, kind
    for _ in range(composer.upto(2)):
        related = _relationships(at_kind)
        if not related:
            break
        name, target_kind = composer.pick(related)
        target = aliased(target_kind)
        made = made.join(getattr(at, name).of_type(target), isouter=composer.chance(50))
        columns += columns_of(target, target_kind)
        leaves += (target,)
        if composer.chance(60):
            at, at_kind = target, target_kind
    if composer.chance(60):
        made = made.where(composer.condition(columns, leaves, 1))
    made = made.options(*_options(composer, entity, kind, 0))
    if composer.chance(20):
        made = made.options(_criteria(composer))
    if composer.chance(30) and leaves == (entity,):
        key = [getattr(entity, column.key) for column in inspect(kind).primary_key]
        made = made.order_by(*_unique(entity, kind, key)).limit(1 + composer.upto(3))
    touched = [name for name, _ in _relationships(kind) if composer.chance(30)]

    def run(session: Session) -> Any:
        found = session.scalars(made).unique().all()
        for each in found:
            for name in touched:
                getattr(each, name)
        return found

    return Composed("objects", made, run)


def _unique(entity: Any, kind: Any, key: list[Any]) -> list[Any]:
    # Concrete classes each count for themselves.
    return [*key, entity.name, entity.room] if issubclass(kind, Depot) else key


def _relationships(kind: Any) -> list[tuple[str, Any]]:
    return [
        (each.key, each.mapper.class_) for each in inspect(kind).relationships if not each.viewonly
    ]


def _options(composer: Composer, entity: Any, kind: Any, depth: int) -> list[Any]:
    options = []
    for name, target in _relationships(kind):
        if composer.chance(35):
            option = composer.pick(_LOADERS)(getattr(entity, name))
            if depth == 0 and composer.chance(50):
                option = option.options(*_options(composer, target, target, 1))
            options.append(option)
    return options


def _criteria(composer: Composer) -> Any:
    kind = composer.pick(ENTITIES)
    column = composer.pick(columns_of(kind, kind))
    values = NUMBERS if column.kind == "int" else STRINGS
    return with_loader_criteria(kind, column.expr != composer.pick(values), include_aliases=True)


# -- writes ----------------------------------------------------------------------


@st.composite
def updates(draw: Any, database: DatabaseName) -> Composed:
    """Updates of what neither is a key nor names a tenant."""
    composer, target, columns = _target(draw, database)
    settable = [each for each in columns if each.settable]
    if not settable:
        columns = columns_of(target := WRITTEN[0], WRITTEN[0])
        composer.take(target)
        settable = [each for each in columns if each.settable]
    made = update(target)
    values: dict[Any, Any] = {}
    for _ in range(1 + composer.upto(1)):
        column = composer.pick(settable)
        values[column.expr] = _new_value(composer, column, columns, target)
    made, sources = _conditions(composer, made, target, columns, several=True)
    made = made.values(values)
    return _write("update", composer, database, made, columns, returning=not sources)


@st.composite
def deletes(draw: Any, database: DatabaseName) -> Composed:
    """Deletes with conditions."""
    composer, target, columns = _target(draw, database)
    made, sources = _conditions(
        composer, delete(target), target, columns, several=database != "sqlite"
    )
    return _write("delete", composer, database, made, columns, returning=not sources)


def _target(draw: Any, database: DatabaseName) -> tuple[Composer, Any, tuple[Col, ...]]:
    composer = Composer(draw, database, ctes=database != "mariadb")
    table = composer.pick(WRITTEN)
    composer.take(table)
    return composer, table, columns_of(table, table)


def _new_value(composer: Composer, column: Col, columns: tuple[Col, ...], target: Any) -> Any:
    if column.kind == "str":
        return composer.pick(STRINGS)
    kind = composer.pick(["literal", "sum", "subquery"])
    if kind == "literal":
        return composer.pick(NUMBERS)
    if kind == "sum":
        return column.expr + composer.pick(NUMBERS)
    # Only PostgreSQL says that the subquery reads the table as it was before; the others
    # may see rows that were set already, in the order that they are visited in.
    composer.avoid(None if composer.database == "postgresql" else target)
    made = composer.scalar((target,), columns, 1)
    composer.avoid(None)
    return made


def _conditions(
    composer: Composer, made: Any, target: Any, columns: tuple[Col, ...], *, several: bool
) -> tuple[Any, bool]:
    if several and composer.chance(25):
        other = composer.leaf(1)
        made = made.where(composer.equal(Node(target, columns), other))
        if composer.chance(50):
            made = made.where(composer.condition(other.columns, other.leaves, 2))
        return made, True
    if not composer.chance(8):
        made = made.where(composer.condition(columns, (target,), 1))
    return made, False


def _write(
    what: str,
    composer: Composer,
    database: DatabaseName,
    made: Any,
    columns: tuple[Col, ...],
    *,
    returning: bool,
) -> Composed:
    if returning and database != "mariadb" and composer.chance(25):
        made = made.returning(*(each.expr for each in columns))
        return Composed(what, made, lambda session: session.execute(made), writes=True)

    def run(session: Session) -> Any:
        return session.connection().execute(made).rowcount

    return Composed(what, made, run, writes=True)


@st.composite
def copies(draw: Any, database: DatabaseName) -> Composed:
    """Inserts of rows that are selected."""
    composer = Composer(draw, database, ctes=database != "mariadb")
    table = composer.pick(_COPIED)
    source = table.alias()
    columns = columns_of(source, table)
    key = next(each.expr for each in columns if each.kind == "int")
    tenant = next(each.expr for each in columns if each.domain == "tenant")
    chosen = select(
        key + 1000,
        tenant,
        composer.word(columns).label("name"),
        composer.number(columns, (source,), 1).label("size"),
    ).where(composer.condition(columns, (source,), 1))
    made = insert(table_of(Fleet)).from_select(["id", "tenant_id", "name", "size"], chosen)

    def run(session: Session) -> Any:
        return session.connection().execute(made).rowcount

    return Composed("insert", made, run, writes=True)


_COPIED: Final = tuple(table_of(each) for each in (Fleet, Vessel, Sailor, Document, Depot))
"""Tables whose rows name their tenant, by a key that fits another table."""


def statements(database: DatabaseName, *, fills: bool = True) -> st.SearchStrategy[Composed]:
    """All of them: mostly selects.

    Args:
        database: which kind of database.
        fills: whether the tenant may be left out of what is inserted.
    """
    return st.one_of(
        selects(database),
        selects(database),
        objects(database),
        updates(database),
        deletes(database),
        *([copies(database)] if fills else []),
    )
