"""Foreign keys refer to this tenant's rows only."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    MetaData,
    bindparam,
    func,
    insert,
    literal,
    literal_column,
    select,
    text,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.orm import Session

from tenantshield_mw import (
    CrossTenantAccessError,
    TenantShieldError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from ..firms import DEAL, FIRM, STEP, TRUSTING, Deal, looked_up, refused, run, seed, with_default
from ..schemas import child_table, tenant_table
from ..watching import engine_in_memory, fill, rows, sent

engine = engine_in_memory(seed)


# -- Core ------------------------------------------------------------------------


def forms(value: int) -> dict[str, tuple[Any, Any]]:
    """Ways to write the foreign key ``value``."""
    return {
        "values": (insert(DEAL).values(id=20, firm_id=value), None),
        "parameters": (insert(DEAL), {"id": 20, "firm_id": value}),
        "executemany": (
            insert(DEAL),
            [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": value}, {"id": 22, "firm_id": 3}],
        ),
        "several values": (
            insert(DEAL).values([{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": value}]),
            None,
        ),
        "returning": (
            insert(DEAL).returning(DEAL.c.id),
            [{"id": 20, "firm_id": 1}, {"id": 21, "firm_id": value}],
        ),
        "a named parameter": (
            insert(DEAL).values(id=20, firm_id=bindparam("which")),
            {"which": value},
        ),
        "by column": (insert(DEAL).values({DEAL.c.id: 20, DEAL.c.firm_id: value}), None),
        "through the model": (insert(Deal).values(id=20, firm_id=value), None),
        "a tied table": (insert(STEP).values(id=120, deal_id=value + 10), None),
        "update": (update(DEAL).values(firm_id=value), None),
        "update by parameter": (update(DEAL), {"firm_id": value}),
        "update many": (
            update(DEAL).where(DEAL.c.id == bindparam("which")).values(firm_id=bindparam("to")),
            [{"which": 11, "to": 1}, {"which": 11, "to": value}],
        ),
        "update in order": (update(DEAL).ordered_values((DEAL.c.firm_id, value)), None),
        "update of a tied table": (update(STEP).values(deal_id=value + 10), None),
        "update through the model": (update(Deal).values(firm_id=value), None),
    }


@pytest.mark.parametrize("form", forms(2))
def test_another_tenants_row_is_refused_in_every_form(engine: Engine, form: str) -> None:
    refused(engine, *forms(2)[form])


@pytest.mark.parametrize("form", forms(99))
def test_a_row_that_is_not_there_is_refused_alike(engine: Engine, form: str) -> None:
    # An error must not reveal whether it exists for another tenant.
    with pytest.raises(CrossTenantAccessError) as missing:
        run(engine, *forms(99)[form])
    with pytest.raises(CrossTenantAccessError) as foreign:
        run(engine, *forms(2)[form])
    assert str(missing.value) == str(foreign.value)


@pytest.mark.parametrize("form", forms(1))
def test_ones_own_row_is_accepted_in_every_form(engine: Engine, form: str) -> None:
    statement, parameters = forms(1)[form]
    run(engine, statement, parameters)
    stray = rows(
        engine,
        "SELECT d.id FROM refs_deal d JOIN refs_firm f ON f.id = d.firm_id"
        " WHERE d.tenant_id <> f.tenant_id",
    )
    assert stray == []


@pytest.mark.parametrize("where", NAMES)
def test_references_are_checked_on_every_database(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        refused(engine, *forms(2)["executemany"])
        refused(engine, *forms(2)["returning"])
        refused(engine, *forms(2)["update many"])
        run(engine, *forms(1)["executemany"])
        with tenant_scope("acme"), Session(engine) as session:
            session.add_all([Deal(id=30, firm_id=1), Deal(id=31, firm_id=2)])
            with pytest.raises(CrossTenantAccessError):
                session.flush()
        assert rows(engine, "SELECT id FROM refs_deal WHERE id IN (30, 31)") == []
        engine.dispose()


def test_no_reference_is_always_accepted_where_it_owns_nothing(engine: Engine) -> None:
    run(engine, insert(DEAL).values(id=20))
    run(engine, insert(DEAL).values(id=21, firm_id=None))
    run(engine, insert(DEAL), [{"id": 22, "firm_id": None}, {"id": 23, "firm_id": 1}])
    run(engine, update(DEAL).values(firm_id=None))
    assert rows(engine, "SELECT id FROM refs_deal WHERE id > 12 ORDER BY id") == [
        (20,),
        (21,),
        (22,),
        (23,),
    ]


def test_a_row_that_would_belong_to_no_tenant_is_refused(engine: Engine) -> None:
    refused(engine, insert(STEP).values(id=120))
    refused(engine, insert(STEP).values(id=120, deal_id=None))
    refused(engine, insert(STEP), [{"id": 120, "deal_id": None}, {"id": 121, "deal_id": 11}])
    refused(engine, insert(STEP), {"id": 120})
    refused(engine, insert(STEP).from_select(["id"], select(FIRM.c.id + 200)))


def test_references_may_cross_in_the_system_scope(engine: Engine) -> None:
    with system_scope("repair"), engine.begin() as connection:
        connection.execute(insert(DEAL).values(id=20, tenant_id="acme", firm_id=2))
    assert len(rows(engine, "SELECT id FROM refs_deal WHERE id = 20")) == 1


# -- check_references=False ------------------------------------------------------


def test_a_table_that_opted_out_is_not_checked(engine: Engine) -> None:
    with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
        connection.execute(insert(TRUSTING).values(id=1, firm_id=2))
        connection.execute(update(TRUSTING).values(firm_id=func.abs(-2)))
    assert looked_up(statements) == 0
    assert rows(engine, "SELECT firm_id FROM refs_trusting") == [(2,)]


def test_the_keys_that_say_whose_a_row_is_are_checked_all_the_same() -> None:
    metadata = MetaData()
    parent = tenant_aware(tenant_table("refs_owner", metadata))
    child = child_table("refs_owned", metadata, Column("owner_id", ForeignKey("refs_owner.id")))
    tenant_aware(child, through="refs_owner", check_references=False)
    engine = memory_engine()
    metadata.create_all(engine)
    fill(engine, "INSERT INTO refs_owner VALUES (1, 'acme'), (2, 'globex')")
    run(engine, insert(child).values(id=1, owner_id=1))
    for statement in (
        insert(child).values(id=2, owner_id=2),
        insert(child).values(id=2),
        update(child).values(owner_id=2),
    ):
        with pytest.raises(CrossTenantAccessError):
            run(engine, statement)
    assert rows(engine, "SELECT * FROM refs_owned") == [(1, 1)]
    assert parent.metadata is metadata


# -- INSERT ... SELECT -----------------------------------------------------------


def test_insert_from_select_takes_references_that_are_the_tenants(engine: Engine) -> None:
    run(engine, insert(DEAL).from_select(["id", "firm_id"], select(FIRM.c.id + 50, FIRM.c.id)))
    run(
        engine,
        insert(DEAL).from_select(["id", "firm_id"], select(DEAL.c.id + 100, DEAL.c.firm_id)),
    )
    run(engine, insert(STEP).from_select(["id", "deal_id"], select(DEAL.c.id + 500, DEAL.c.id)))
    written = rows(engine, "SELECT id, tenant_id, firm_id FROM refs_deal WHERE id > 12 ORDER BY id")
    assert {tenant for _, tenant, _ in written} == {"acme"}
    assert {firm for _, _, firm in written} == {1, 3}


@pytest.mark.parametrize(
    "source",
    [
        select(FIRM.c.id + 50, literal(2)),
        select(FIRM.c.id + 50, literal_column("2")),
        select(FIRM.c.id + 50, FIRM.c.id + 1),
        select(FIRM.c.id + 50, text("2")),
        select(FIRM.c.id + 50, FIRM.c.id).union_all(select(FIRM.c.id + 60, literal(2))),
        select(TRUSTING.c.id, TRUSTING.c.firm_id),
    ],
    ids=["literal", "raw", "arithmetic", "text", "union", "unchecked"],
)
def test_insert_from_select_refuses_references_that_could_be_another_tenants(
    engine: Engine, source: Any
) -> None:
    statement = insert(DEAL).from_select(["id", "firm_id"], source)
    refused(engine, statement, None, TenantShieldError)


# -- upserts ---------------------------------------------------------------------


def upsert(engine: Engine, set_: Any, **given: Any) -> Any:
    if engine.dialect.name == "mariadb":
        return mysql.insert(DEAL).values(**given).on_duplicate_key_update(set_)
    dialect: Any = sqlite if engine.dialect.name == "sqlite" else postgresql
    made = dialect.insert(DEAL).values(**given)
    return made.on_conflict_do_update(index_elements=["id"], set_=set_)


@pytest.mark.parametrize("where", NAMES)
def test_upserts_check_what_they_insert_and_what_they_set(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = seed(here.engine())
        refused(engine, upsert(engine, {"note": "z"}, id=11, firm_id=2))
        refused(engine, upsert(engine, {"firm_id": 2}, id=11, firm_id=1))
        refused(engine, upsert(engine, {"firm_id": 1}, id=20, firm_id=2))
        refused(engine, upsert(engine, {"firm_id": 1}, id=20, firm_id=bindparam("f", 2)))
        refused(
            engine,
            upsert(engine, {"firm_id": literal_column("2")}, id=11),
            None,
            UnguardedStatementError,
        )
        run(engine, upsert(engine, {"firm_id": 3}, id=11, firm_id=1))
        assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") == [(3,)]
        run(engine, upsert(engine, {"firm_id": 3, "note": "stolen"}, id=12, firm_id=1))
        assert rows(engine, "SELECT tenant_id, firm_id, note FROM refs_deal WHERE id = 12") == [
            ("globex", 2, "y")
        ]
        engine.dispose()


def test_an_upsert_may_set_the_value_that_it_would_have_inserted(engine: Engine) -> None:
    made = sqlite.insert(DEAL).values(id=11, firm_id=3)
    run(
        engine,
        made.on_conflict_do_update(index_elements=["id"], set_={"firm_id": made.excluded.firm_id}),
    )
    assert rows(engine, "SELECT firm_id FROM refs_deal WHERE id = 11") == [(3,)]


def test_an_upsert_leaves_an_onupdate_alone_as_sqlalchemy_does() -> None:
    engine, table = with_default("refs_upsert_onupdate", onupdate=2)
    made = sqlite.insert(table).values(id=1)
    run(engine, made.on_conflict_do_update(index_elements=["id"], set_={"id": made.excluded.id}))
    assert rows(engine, "SELECT firm_id FROM refs_upsert_onupdate") == [(None,)]


def test_each_write_of_a_statement_is_checked_by_itself() -> None:
    first = insert(DEAL).values(id=20, firm_id=2).returning(DEAL.c.id).cte("first")
    second = insert(DEAL).values(id=21, firm_id=1).add_cte(first)
    third = update(DEAL).values(firm_id=1).where(DEAL.c.id == 11).add_cte(first)
    with database("postgresql") as here:
        engine = seed(here.engine())
        for statement in (second, third):
            refused(engine, statement)
        engine.dispose()
