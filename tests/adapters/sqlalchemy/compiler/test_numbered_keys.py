"""Foreign keys that are primary keys, which a database may number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import pytest
from sqlalchemy import (
    Engine,
    Integer,
    Table,
    TypeDecorator,
    bindparam,
    func,
    insert,
    literal,
    null,
    select,
)
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import TenantShieldError, tenant_scope
from tests.databases import NAMES, Database, DatabaseName

from .parents import (
    NONE,
    ONE,
    PARENT,
    OneAuto,
    OneNumbered,
    Parent,
    TiedAuto,
    TiedNumbered,
    filled,
    run,
)

REFUSED: Final = (TenantShieldError, DBAPIError)


class OneLess(TypeDecorator[int]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else value - 1


UNNUMBERED: dict[str, Callable[[Table], tuple[Any, Any]]] = {
    "left out": lambda t: (insert(t).values(x=1), None),
    "left out by parameters": lambda t: (insert(t), [{"x": 1}, {"x": 2}]),
    "nothing": lambda t: (insert(t), None),
    "left out of several": lambda t: (insert(t).values([{"x": 1}, {"x": 2}]), None),
    "None": lambda t: (insert(t).values(id=None, x=1), None),
    "a parameter": lambda t: (insert(t), {"id": None, "x": 1}),
    "many": lambda t: (insert(t), [{"id": None, "x": 1}, {"id": None, "x": 2}]),
    "several": lambda t: (insert(t).values([{"id": None}, {"id": None}]), None),
    "NULL": lambda t: (insert(t).values(id=null(), x=1), None),
    "a labelled NULL": lambda t: (insert(t).values(id=null().label("n")), None),
    "no row": lambda t: (insert(t).values(id=NONE, x=1), None),
    "no row of several": lambda t: (insert(t).values([{"id": NONE}, {"id": NONE}]), None),
    "a selected NULL": lambda t: (insert(t).from_select(["id"], select(null())), None),
    "a selected subquery": lambda t: (insert(t).from_select(["id"], select(NONE)), None),
    "left out of a SELECT": lambda t: (insert(t).from_select(["x"], select(literal(1))), None),
    "nullif": lambda t: (
        insert(t).from_select(["id"], select(func.nullif(PARENT.c.id, PARENT.c.id))),
        None,
    ),
}


@pytest.mark.parametrize("form", UNNUMBERED)
@pytest.mark.parametrize("kind", ["own", "tied"])
@pytest.mark.parametrize("numbering", ["auto", "ignore_fk"])
def test_the_database_does_not_number_a_foreign_key(
    strict: tuple[Database, Engine], numbering: str, kind: str, form: str
) -> None:
    here, engine = strict
    table = ONE[numbering, kind]
    with pytest.raises(REFUSED):
        run(engine, *UNNUMBERED[form](table))
    assert here.read(f"SELECT * FROM {table.name}") == []


@pytest.mark.parametrize("name", NAMES)
def test_a_foreign_key_that_is_a_primary_key_is_given(name: DatabaseName) -> None:
    with filled(name) as (here, engine):
        for table in ONE.values():
            of_parent = select(PARENT.c.id).where(PARENT.c.id == 8)
            run(engine, insert(table).values(id=7, x=1))
            run(engine, insert(table).from_select(["id"], of_parent))
            assert here.read(f"SELECT id FROM {table.name} ORDER BY id") == [(7,), (8,)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("numbering", ["auto", "ignore_fk"])
def test_objects_get_the_key_of_their_parent(name: DatabaseName, numbering: str) -> None:
    one, tied = (OneAuto, TiedAuto) if numbering == "auto" else (OneNumbered, TiedNumbered)
    with filled(name) as (here, engine):
        with tenant_scope("a"), Session(engine) as session:
            for n in (20, 21):
                related = {f"one_{numbering}": one(x=n), f"tied_{numbering}": tied(x=n)}
                session.add(Parent(id=n, **related))
            session.commit()
            for lost in (one(x=1), tied(x=1)):
                session.add(lost)
                with pytest.raises(TenantShieldError):
                    session.flush()
                session.rollback()
        for table in (one.__table__, tied.__table__):
            assert here.read(f"SELECT id, x FROM {table} ORDER BY id") == [(20, 20), (21, 21)]


@pytest.mark.parametrize("kind", ["own", "tied"])
def test_the_database_makes_no_number_of_a_0(kind: str) -> None:
    table = ONE["ignore_fk", kind]
    of_parent = select(PARENT.c.id)
    given = literal(0) if kind == "own" else bindparam("zero", 1, type_=OneLess)
    with filled("mariadb") as (here, engine):
        here.run("UPDATE null_parent SET tenant_id = 'a' WHERE id = 0")
        for statement, parameters in (
            (insert(table).values(id=0), None),
            (insert(table).values(id=given), None),
            (insert(table), [{"id": 7}, {"id": 0}]),
            (insert(table).values(id=of_parent.where(PARENT.c.id == 0).scalar_subquery()), None),
            (insert(table).from_select(["id"], of_parent), None),
        ):
            with pytest.raises(REFUSED):
                run(engine, statement, parameters)
        assert here.read(f"SELECT id FROM {table.name}") == []
        run(engine, insert(table).from_select(["id"], of_parent.where(PARENT.c.id > 0)))
        assert here.read(f"SELECT id FROM {table.name} ORDER BY id") == [(7,), (8,)]
