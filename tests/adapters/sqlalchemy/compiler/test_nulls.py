"""NULL in a foreign key: where a database makes a key of it, and where it makes a row nobody's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    Table,
    case,
    false,
    func,
    insert,
    literal,
    null,
    select,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from tenantshield_mw import TenantShieldError, tenant_scope
from tests.databases import NAMES, Database, DatabaseName

from .parents import (
    LOOSE,
    LOOSELY,
    NONE,
    OWN,
    PARENT,
    TIED,
    TO_PAIR,
    Own,
    Parent,
    filled,
    run,
    strays,
)

# -- a row that would belong to nobody -------------------------------------------

UPSERT = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def upsert(engine: Engine, set_: dict[str, Any]) -> Any:
    if engine.dialect.name == "mariadb":
        return mysql.insert(LOOSELY).values(id=1, parent_id=7).on_duplicate_key_update(set_)
    made: Any = UPSERT[engine.dialect.name](LOOSELY).values(id=1, parent_id=7)
    return made.on_conflict_do_update(index_elements=["id"], set_=set_)


MAYBE_NULL: dict[str, Any] = {
    "NULL": null(),
    "a labelled NULL": null().label("n"),
    "no row": NONE,
    "case": case((LOOSELY.c.id == 99, LOOSELY.c.parent_id)),
    "a NULL of case": case((LOOSELY.c.id == 1, NONE), else_=LOOSELY.c.parent_id),
    "nullif": func.nullif(LOOSELY.c.parent_id, 7),
    "coalesce": func.coalesce(NONE, null()),
    "an aggregate": select(func.max(PARENT.c.id)).where(false()).scalar_subquery(),
}


@pytest.mark.parametrize("value", MAYBE_NULL)
def test_an_update_takes_no_parent_away(strict: tuple[Database, Engine], value: str) -> None:
    here, engine = strict
    for statement in (
        update(LOOSELY).values(parent_id=MAYBE_NULL[value]),
        upsert(engine, {"parent_id": MAYBE_NULL[value]}),
    ):
        with pytest.raises(TenantShieldError):
            run(engine, statement)
    assert here.read("SELECT id, parent_id FROM null_loosely") == [(1, 7)]


OTHER = PARENT.alias("other")
SELECTED: dict[str, Any] = {
    "NULL": select(literal(5), null()),
    "no row": select(literal(5), NONE),
    "case": select(PARENT.c.id + 50, case((PARENT.c.id == 8, PARENT.c.id))),
    "an outer join": select(PARENT.c.id + 50, OTHER.c.id).select_from(
        PARENT.outerjoin(OTHER, OTHER.c.id == PARENT.c.id + 1)
    ),
    "an outer join below": select(
        literal(5),
        select(OTHER.c.id.label("key"))
        .select_from(PARENT.outerjoin(OTHER, OTHER.c.id == PARENT.c.id + 1))
        .subquery()
        .c.key,
    ),
    "an aggregate": select(literal(5), func.max(PARENT.c.id)).where(PARENT.c.id == 99),
    "a union": select(PARENT.c.id + 50, PARENT.c.id).union_all(select(literal(5), null())),
}


@pytest.mark.parametrize("source", SELECTED)
def test_an_insert_from_select_makes_no_row_without_a_parent(
    strict: tuple[Database, Engine], source: str
) -> None:
    here, engine = strict
    with pytest.raises(TenantShieldError):
        run(engine, insert(LOOSELY).from_select(["id", "parent_id"], SELECTED[source]))
    assert here.read("SELECT id, parent_id FROM null_loosely") == [(1, 7)]


@pytest.mark.parametrize("name", NAMES)
def test_a_parent_may_be_an_expression_that_is_never_null(name: DatabaseName) -> None:
    ours = select(PARENT.c.id).where(PARENT.c.id == 8).scalar_subquery()
    joined = select(OWN.c.id + 60, PARENT.c.id).join(PARENT, PARENT.c.id == OWN.c.parent_id)
    inner = select(PARENT.c.id.label("key")).where(PARENT.c.id == 8).subquery()
    into = insert(LOOSELY)
    with filled(name) as (here, engine):
        for statement in (
            into.from_select(["id", "parent_id"], select(PARENT.c.id + 50, PARENT.c.id)),
            into.from_select(["id", "parent_id"], joined),
            into.from_select(["id", "parent_id"], select(inner.c.key + 70, inner.c.key)),
            into.from_select(["id", "parent_id"], select(LOOSELY.c.id + 90, LOOSELY.c.parent_id)),
            into.values(id=2, parent_id=func.coalesce(ours, 7)),
            into.values(id=3, parent_id=8),
            update(LOOSELY).values(
                parent_id=case((LOOSELY.c.id == 2, 8), else_=LOOSELY.c.parent_id)
            ),
            upsert(engine, {"parent_id": 8}),
        ):
            run(engine, statement)
        found = here.read("SELECT id, parent_id FROM null_loosely ORDER BY id")
        assert found == [
            (1, 8),
            (2, 8),
            (3, 8),
            (57, 7),
            (58, 8),
            (61, 7),
            (78, 8),
            (91, 7),
            (147, 7),
            (148, 8),
            (151, 7),
            (168, 8),
        ]
        if name == "mariadb":
            new = mysql.insert(LOOSELY).values(id=1, parent_id=7)
            new = new.on_duplicate_key_update(parent_id=new.inserted.parent_id)
        else:
            made: Any = UPSERT[name](LOOSELY).values(id=1, parent_id=7)
            set_ = {"parent_id": made.excluded.parent_id}
            new = made.on_conflict_do_update(index_elements=["id"], set_=set_)
        run(engine, new)
        assert here.read("SELECT parent_id FROM null_loosely WHERE id = 1") == [(7,)]


# -- NULL that becomes 0 ---------------------------------------------------------

FROM_NULL = select(literal(5), null())
NO_MAXIMUM = select(literal(5), func.max(PARENT.c.id)).where(PARENT.c.id == 99)
NOTHING: dict[str, Callable[[Table], tuple[Any, Any]]] = {
    "update": lambda t: (update(t).values(parent_id=None), None),
    "update to NULL": lambda t: (update(t).values(parent_id=null()), None),
    "update by a parameter": lambda t: (update(t), {"parent_id": None}),
    "update to no row": lambda t: (update(t).values(parent_id=NONE), None),
    "update to a case": lambda t: (
        update(t).values(parent_id=case((t.c.id == 9, t.c.parent_id))),
        None,
    ),
    "left out": lambda t: (insert(t).values(id=5), None),
    "left out of many": lambda t: (insert(t), [{"id": 5}, {"id": 6}]),
    "left out of a SELECT": lambda t: (insert(t).from_select(["id"], select(literal(5))), None),
    "None": lambda t: (insert(t).values(id=5, parent_id=None), None),
    "many": lambda t: (insert(t), [{"id": 5, "parent_id": 7}, {"id": 6, "parent_id": None}]),
    "several": lambda t: (
        insert(t).values([{"id": 5, "parent_id": 7}, {"id": 6, "parent_id": None}]),
        None,
    ),
    "no row": lambda t: (insert(t).values(id=5, parent_id=NONE), None),
    "no row of several": lambda t: (
        insert(t).values([{"id": 5, "parent_id": 7}, {"id": 6, "parent_id": NONE}]),
        None,
    ),
    "a selected NULL": lambda t: (insert(t).from_select(["id", "parent_id"], FROM_NULL), None),
    "a selected aggregate": lambda t: (
        insert(t).from_select(["id", "parent_id"], NO_MAXIMUM),
        None,
    ),
    "an upsert": lambda t: (
        mysql.insert(t).values(id=1, parent_id=7).on_duplicate_key_update(parent_id=None),
        None,
    ),
    "an upsert to no row": lambda t: (
        mysql.insert(t).values(id=1, parent_id=7).on_duplicate_key_update(parent_id=NONE),
        None,
    ),
}


@pytest.mark.parametrize("ignores", [False, True], ids=["", "ignore"])
@pytest.mark.parametrize("form", NOTHING)
@pytest.mark.parametrize("table", [OWN, TIED], ids=str)
def test_null_does_not_become_0(
    loose: tuple[Database, Engine], table: Table, form: str, *, ignores: bool
) -> None:
    here, engine = loose
    statement, parameters = NOTHING[form](table)
    if ignores:
        statement = statement.prefix_with("IGNORE")
    with pytest.raises(TenantShieldError):
        run(engine, statement, parameters)
    assert here.read(f"SELECT id, parent_id FROM {table.name}") == [(1, 7)]


def test_nothing_in_a_part_of_a_foreign_key_does_not_become_0(
    loose: tuple[Database, Engine],
) -> None:
    here, engine = loose
    for values in (
        {"pair_id": 1},
        {"pair_id": 1, "k": None},
        {"pair_id": 1, "k": null()},
        [{"pair_id": 1, "k": None}] * 2,
    ):
        with pytest.raises(TenantShieldError):
            run(engine, insert(TO_PAIR).values(values))
    assert here.read("SELECT * FROM null_to_pair") == []


def lose(session: Session) -> None:
    own: Any = session.get_one(Own, 1)
    own.parent_id = None


def clear(session: Session) -> None:
    session.scalars(select(Parent).where(Parent.__table__.c.id == 7)).one().children.clear()


def delete_parent(session: Session) -> None:
    session.delete(session.get_one(Parent, 7))


def add_without(session: Session) -> None:
    session.add(Own(id=5))


@pytest.mark.parametrize("change", [lose, clear, delete_parent, add_without])
def test_an_object_does_not_lose_its_parent_to_0(
    loose: tuple[Database, Engine], change: Callable[[Session], None]
) -> None:
    here, engine = loose
    with tenant_scope("a"), Session(engine) as session:
        kept = list(session.scalars(select(Parent)))
        change(session)
        with pytest.raises(TenantShieldError):
            session.flush()
        assert kept
    assert here.read("SELECT id, parent_id FROM null_own") == [(1, 7)]


def test_keys_are_read_within_a_statement_all_the_same() -> None:
    ours = select(PARENT.c.id).where(PARENT.c.name == "ours too").scalar_subquery()
    with filled("mariadb", **LOOSE) as (here, engine):
        for table in (OWN, TIED):
            into = insert(table)
            for statement, parameters in (
                (into.values(id=5, parent_id=ours), None),
                (into.values([{"id": 6, "parent_id": 7}, {"id": 7, "parent_id": ours}]), None),
                (into.values(parent_id=ours), [{"id": 8}, {"id": 9}]),
                (update(table).where(table.c.id == 1).values(parent_id=ours), None),
                (
                    into.prefix_with("IGNORE").from_select(
                        ["id", "parent_id"], select(PARENT.c.id + 50, PARENT.c.id)
                    ),
                    None,
                ),
                (into.prefix_with("IGNORE").values(id=5, parent_id=7), None),
                (
                    into.from_select(
                        ["id", "parent_id"],
                        select(literal(70), func.max(PARENT.c.id)),
                    ),
                    None,
                ),
            ):
                run(engine, statement, parameters)
            assert strays(here, table.name) == []
            assert here.read(f"SELECT id, parent_id FROM {table.name} ORDER BY id") == [
                (1, 8),
                (5, 8),
                (6, 7),
                (7, 8),
                (8, 8),
                (9, 8),
                (57, 7),
                (58, 8),
                (70, 8),
            ]
