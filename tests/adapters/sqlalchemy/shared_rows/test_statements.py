"""A tenant reads the shared rows, and refers to them.

That it reads no other tenant's beside them and writes none of them, in whatever form, is shown by
the attacks of ``tests/leaks/paths/shared_rows.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    Table,
    func,
    insert,
    select,
    table,
    update,
)
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, aliased, joinedload, selectinload

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    TenantShieldError,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy.errors import UnguardedStatementError
from tests.databases import Database

from .models import MATCH, SCORE, TABLES, USED, Chat, Offer, Price, Provider, Template, table_of

Sides = list[tuple[Any, ...]]

WITH_SHARED = ("sr_provider", "sr_template", "sr_offer", "sr_price", "sr_match", "sr_score")
P, T, F = map(table_of, (Provider, Template, Offer))


def contents(here: Database) -> dict[str, Sides]:
    return {name: here.read(f"SELECT * FROM {name} ORDER BY 1, 2") for name in TABLES}


def run(engine: Engine, statement: Any, *parameters: Any) -> Any:
    with tenant_scope("acme"), engine.begin() as connection:
        result = connection.execute(statement, *parameters)
        return result.all() if result.returns_rows else result.rowcount


# -- reading ---------------------------------------------------------------------


@pytest.mark.parametrize("name", WITH_SHARED)
def test_a_tenant_reads_its_own_rows_and_the_shared_ones(engine: Engine, name: str) -> None:
    statement = select(TABLES[name].c.name).order_by(TABLES[name].c.name)
    assert run(engine, statement) == [("acme",), ("shared",)]


def test_what_refers_to_a_shared_row_is_still_a_tenants_own(engine: Engine) -> None:
    assert run(engine, select(Chat.name)) == [("acme",)]
    assert run(engine, select(USED.c.name)) == [("acme",)]


@pytest.mark.parametrize("model", [Provider, Template])
@pytest.mark.parametrize(
    "read",
    [
        lambda m: select(aliased(m, name="other").name),
        lambda m: select(select(m.name).subquery().c.name),
        lambda m: select(select(m.name).cte("some").c.name),
        lambda m: select(m.name).where(m.id.in_(select(m.id))),
        lambda m: select(m.name).union(select(m.name)),
        lambda m: select(m.name).where(func.length(m.name) > 0),
        lambda m: select(m.name).where(10 / (m.id - 3) < 100),
    ],
)
def test_so_it_is_in_each_construct(engine: Engine, model: Any, read: Callable[[Any], Any]) -> None:
    assert sorted(run(engine, read(model))) == [("acme",), ("shared",)]


def test_so_it_is_in_a_bare_table(engine: Engine) -> None:
    assert run(engine, select(func.count()).select_from(table("sr_provider"))) == [(2,)]


def test_relationships_are_loaded_with_shared_rows(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        chat = session.scalars(select(Chat)).one()
        assert chat.provider is not None
        assert chat.provider.name == "shared"
        assert [each.name for each in chat.provider.offers] == ["shared"]
        assert [each.name for each in chat.provider.chats] == ["acme"]
    for option in (joinedload(Chat.provider), selectinload(Chat.provider)):
        with tenant_scope("acme"), Session(engine) as session:
            chat = session.scalars(select(Chat).options(option)).one()
            assert chat.provider is not None
            assert chat.provider.name == "shared"


def test_no_tenant_in_scope_reads_nothing(engine: Engine) -> None:
    with pytest.raises(TenantShieldError), engine.connect() as connection:
        connection.execute(select(P))


def test_a_system_scope_reads_and_writes_all(engine: Engine, here: Database) -> None:
    with system_scope("all"), engine.begin() as connection:
        assert connection.scalar(select(func.count()).select_from(P)) == 3
        connection.execute(insert(P).values(id=9, tenant_id=None, name="new"))
        connection.execute(update(T).where(T.c.id == 1).values(name="new"))
    assert here.read("SELECT name FROM sr_provider WHERE tenant_id IS NULL ORDER BY id") == [
        ("shared",),
        ("new",),
    ]
    assert here.read("SELECT name FROM sr_template WHERE id = 1") == [("new",)]


# -- writing ---------------------------------------------------------------------


def test_an_update_reads_shared_rows_of_further_tables(engine: Engine, here: Database) -> None:
    chat = table_of(Chat)
    run(engine, update(chat).values(name=P.c.name).where(chat.c.provider_id == P.c.id))
    assert here.read("SELECT name FROM sr_chat ORDER BY id") == [("shared",), ("glo",)]


def test_an_update_of_several_tables_writes_no_shared_row(engine: Engine, here: Database) -> None:
    if here.name != "mariadb":
        pytest.skip("only MariaDB writes several tables at once")
    before = contents(here)
    chat = table_of(Chat)
    statement = update(chat).values({chat.c.name: "x", P.c.name: "y"})
    with pytest.raises(UnguardedStatementError, match="of its own"):
        run(engine, statement.where(chat.c.provider_id == P.c.id))
    run(engine, update(chat.join(P, chat.c.provider_id == P.c.id)).values({P.c.name: "y"}))
    assert contents(here) == before


@pytest.mark.parametrize("each", [P, T])
def test_a_copy_of_a_shared_row_is_the_tenants_own(
    engine: Engine, here: Database, each: Table
) -> None:
    chosen = select(each.c.id + 8, each.c.name, each.c.tenant_id).where(each.c.id == 1)
    run(engine, insert(each).from_select(["id", "name", "tenant_id"], chosen))
    assert here.read(f"SELECT tenant_id, name FROM {each.name} WHERE id = 9") == [
        ("acme", "shared")
    ]


def upsert(here: Database, each: Table, new: dict[str, Any], changed: dict[str, Any]) -> Any:
    if here.name == "mariadb":
        return mysql.insert(each).values(new).on_duplicate_key_update(changed)
    dialect: Any = sqlite if here.name == "sqlite" else postgresql
    return (
        dialect.insert(each).values(new).on_conflict_do_update(index_elements=["id"], set_=changed)
    )


@pytest.mark.parametrize("each", [P, T])
def test_an_upsert_changes_an_own_row(engine: Engine, here: Database, each: Table) -> None:
    run(engine, upsert(here, each, {"id": 2, "name": "new"}, {"name": "new"}))
    assert here.read(f"SELECT tenant_id, name FROM {each.name} WHERE id = 2") == [("acme", "new")]


def test_a_tenant_with_the_value_of_the_shared_rows_is_refused(
    engine: Engine, here: Database
) -> None:
    before = contents(here)
    for statement in (select(T), update(T).values(name="new"), insert(T).values(id=9, name="x")):
        with (
            tenant_scope("everybody"),
            engine.begin() as connection,
            pytest.raises(ConfigurationError, match="every tenant reads"),
        ):
            connection.execute(statement)
    assert contents(here) == before


# -- referring -------------------------------------------------------------------


def test_a_plain_foreign_key_refers_to_a_shared_row(engine: Engine, here: Database) -> None:
    run(engine, insert(Chat).values(id=8, name="new", provider_id=1, template_id=1))
    run(engine, insert(Chat), [{"id": 9, "name": "new", "provider_id": 1, "template_id": 2}])
    found = select(P.c.id).where(P.c.name == "shared").scalar_subquery()
    run(engine, insert(Chat).values(id=10, name="new", provider_id=found))
    run(engine, insert(USED).values(chat_id=8, template_id=1))
    with pytest.raises(CrossTenantAccessError):
        run(engine, insert(Chat).values(id=11, name="new", provider_id=3))
    assert here.read("SELECT provider_id FROM sr_chat WHERE id > 7 ORDER BY id") == [(1,)] * 3
    assert here.read("SELECT template_id FROM sr_used WHERE chat_id = 8") == [(1,)]


@pytest.mark.parametrize(
    "statement",
    [
        insert(Price).values(id=9, offer_id=1, name="new"),
        insert(MATCH).values(id=9, a_template_id=2, provider_id=1, name="new"),
        insert(SCORE).values(match_id=1, name="new"),
        update(Price).values(offer_id=1),
        insert(Offer).values(
            id=9, name="x", provider_id=select(P.c.id).where(P.c.id == 1).scalar_subquery()
        ),
    ],
)
def test_a_tenant_ties_no_row_to_a_shared_one(
    engine: Engine, here: Database, statement: Any
) -> None:
    before = contents(here)
    with pytest.raises(TenantShieldError, match="every tenant reads"):
        run(engine, statement)
    assert contents(here) == before


def test_a_tenant_ties_rows_to_its_own(engine: Engine, here: Database) -> None:
    run(engine, insert(Offer).values(id=9, provider_id=2, name="new"))
    run(engine, insert(Price).values(id=9, offer_id=9, name="new"))
    run(engine, insert(Offer), [{"id": 10, "provider_id": 2, "name": "new"}])
    run(engine, update(Price).where(Price.id == 9).values(offer_id=10))
    assert here.read("SELECT offer_id FROM sr_price WHERE id = 9") == [(10,)]


def test_async(here: Database) -> None:
    async def act() -> tuple[Any, ...]:
        engine = here.async_engine()
        try:
            with tenant_scope("acme"):
                async with AsyncSession(engine) as session:
                    names = (await session.scalars(select(P.c.name).order_by(P.c.id))).all()
                    await session.execute(update(P).values(name="new"))
                    await session.commit()
                    shared = await session.get_one(Provider, 1)
                    shared.name = "new"
                    with pytest.raises(CrossTenantAccessError, match="every tenant reads"):
                        await session.commit()
                    return tuple(names)
        finally:
            await engine.dispose()

    assert asyncio.run(act()) == ("shared", "acme")
    assert here.read("SELECT name FROM sr_provider ORDER BY id") == [
        ("shared",),
        ("new",),
        ("glo",),
    ]
