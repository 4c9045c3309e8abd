"""The parameters that may become a foreign key are looked up, wherever they stand."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    bindparam,
    case,
    func,
    insert,
    literal,
    null,
    select,
    union_all,
    update,
)
from sqlalchemy.dialects import sqlite

from tenantshield_mw import TenantShieldError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database

from ..firms import DEAL, FIRM, refused, run, seed
from ..watching import engine_in_memory, fill, rows

engine = engine_in_memory(seed)

WITH_PARAMETER: dict[str, Any] = {
    "coalesce": lambda key: func.coalesce(null(), key),
    "case": lambda key: case((literal(1) == 1, key), else_=null()),
    "the else of a case": lambda key: case((literal(1) == 2, 1), else_=key),
    "a subquery": lambda key: select(literal(key)).scalar_subquery(),
    "a subquery with a union": lambda key: union_all(
        select(literal(key)), select(FIRM.c.id).where(FIRM.c.id == 0)
    ).scalar_subquery(),
    "a key of a subquery": lambda key: select(
        select(literal(key).label("k")).subquery().c.k
    ).scalar_subquery(),
    "the largest": lambda key: select(func.max(literal(key))).scalar_subquery(),
    "nested": lambda key: func.coalesce(case((literal(1) == 1, literal(key))), 1),
}


class OneLess(TypeDecorator[int]):
    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else value - 1


@pytest.mark.parametrize("where", NAMES)
def test_a_parameter_with_the_name_of_another_one_is_converted_by_its_own_type(
    where: DatabaseName,
) -> None:
    # 3 is the tenant's, and 2 another tenant's.
    plain, less = bindparam("which", type_=Integer), bindparam("which", type_=OneLess)
    with database(where) as here:
        engine = seed(here.engine())
        for statement in (
            insert(DEAL).values(id=less, firm_id=plain),
            insert(DEAL).values(firm_id=plain, id=less),
            update(DEAL).where(DEAL.c.id != less).values(firm_id=plain),
            update(DEAL).where(DEAL.c.id != less).values(firm_id=func.coalesce(plain, 1)),
            insert(DEAL).from_select(["id", "firm_id"], select(less, plain)),
        ):
            refused(engine, statement, {"which": 3}, TenantShieldError)
        again = bindparam("which", type_=Integer)
        run(engine, update(DEAL).where(DEAL.c.id != again).values(firm_id=plain), {"which": 3})
        assert rows(engine, "SELECT DISTINCT firm_id FROM refs_deal WHERE tenant_id = 'acme'") == [
            (3,)
        ]
        engine.dispose()


@pytest.mark.parametrize("kind", WITH_PARAMETER)
def test_a_parameter_within_an_expression_is_looked_up(engine: Engine, kind: str) -> None:
    own, others = WITH_PARAMETER[kind](3), WITH_PARAMETER[kind](2)
    run(engine, insert(DEAL).values(id=20, firm_id=own))
    run(engine, update(DEAL).where(DEAL.c.id == 11).values(firm_id=own))
    run(engine, insert(DEAL).from_select(["id", "firm_id"], select(literal(21), own)))
    found = "SELECT firm_id FROM refs_deal WHERE id IN (11, 20, 21)"
    assert rows(engine, found) == [(3,)] * 3
    for statement in (
        insert(DEAL).values(id=30, firm_id=others),
        update(DEAL).values(firm_id=others),
        insert(DEAL).from_select(["id", "firm_id"], select(literal(30), others)),
        insert(DEAL).values([{"id": 30, "firm_id": own}, {"id": 31, "firm_id": others}]),
        sqlite.insert(DEAL)
        .values(id=11, firm_id=3)
        .on_conflict_do_update(index_elements=["id"], set_={"firm_id": others}),
    ):
        refused(engine, statement)


def test_the_parameter_of_each_execution_is_looked_up(engine: Engine) -> None:
    statement = update(DEAL).where(DEAL.c.id == 11)
    statement = statement.values(firm_id=func.coalesce(bindparam("firm", type_=Integer), 1))
    run(engine, statement, {"firm": 3})
    assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") == [(3,)]
    refused(engine, statement, {"firm": 2})
    refused(engine, statement, [{"firm": 3}, {"firm": 2}])
    run(engine, statement, {"firm": None})
    assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") == [(1,)]


def test_the_results_of_a_case_by_row_are_looked_up(engine: Engine) -> None:
    """This is how many rows get different values in one UPDATE."""
    by_id = {11: 3, 13: 1}
    run(engine, update(DEAL).values(firm_id=case(by_id, value=DEAL.c.id, else_=DEAL.c.firm_id)))
    assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") == [(3,)]
    by_id[13] = 2
    refused(engine, update(DEAL).values(firm_id=case(by_id, value=DEAL.c.id)))


class Shifted(TypeDecorator[int]):
    """Writes a number plus a hundred."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> Any:
        return value and value + 100


@pytest.mark.parametrize("declared_first", [False, True])
def test_the_types_of_the_statement_tell_whether_a_row_refers_to_another_of_it(
    engine: Engine, *, declared_first: bool
) -> None:
    name = f"refs_tree_{declared_first}".lower()

    def tree(type_: Any) -> Table:
        return tenant_aware(
            Table(
                name,
                MetaData(),
                Column("id", type_, primary_key=True, autoincrement=False),
                Column("tenant_id", String(20)),
                Column("parent_id", Integer, ForeignKey(f"{name}.id")),
            )
        )

    both = [
        tree(each)
        for each in ([Shifted(), Integer()] if declared_first else [Integer(), Shifted()])
    ]
    shifted = both[not declared_first]
    shifted.create(engine)
    fill(engine, f"INSERT INTO {name} VALUES (5, 'globex', NULL)")
    refused(engine, insert(shifted), [{"id": 5, "parent_id": None}, {"id": 6, "parent_id": 5}])
    assert rows(engine, f"SELECT id FROM {name}") == [(5,)]
