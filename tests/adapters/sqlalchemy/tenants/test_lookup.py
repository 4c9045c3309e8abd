"""A directory that looks tenants up in a table: its answers for all ids, end to end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, event, func, join, true
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import sessionmaker

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantDirectory,
    TenantState,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import tenants_in
from tests.databases import Database

from ..watching import sent
from . import directory
from .directory import (
    ACME_ID,
    GLOBEX_ID,
    ROWS,
    STATES,
    Domain,
    State,
    Tenant,
    checked_out,
    lookup_in,
    suspended,
)

here, engine, async_engine = directory.here, directory.engine, directory.async_engine


def said(listed: Any) -> Any:
    """Return a lookup's answer: the type and value of the id, or the state."""
    if isinstance(listed, TenantContext):
        return type(listed.tenant_id), listed.tenant_id
    return listed


# -- what is sent, and what is left ----------------------------------------------


def test_a_miss_costs_one_statement_and_a_hit_none(engine: Engine) -> None:
    directory = TenantDirectory(lookup_in(engine))
    with sent(engine) as statements:
        for _ in range(3):
            assert directory.find("acme", blocking=True) == TenantContext(ACME_ID)
    (statement,) = statements
    assert statement.startswith("SELECT")
    assert "acme" not in statement


OPEN_TRANSACTIONS = {
    "postgresql": "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
    "AND state LIKE 'idle in transaction%'",
    "mariadb": "SELECT count(*) FROM information_schema.innodb_trx JOIN "
    "information_schema.processlist ON trx_mysql_thread_id = processlist.id "
    "WHERE db = database()",
}


def open_transactions(here: Database) -> int:
    if here.name == "sqlite":
        # It is refused while another connection reads.
        here.run("BEGIN EXCLUSIVE", "ROLLBACK")
        return 0
    count: int = here.read(OPEN_TRANSACTIONS[here.name])[0][0]
    return count


@pytest.mark.parametrize("slug", ["acme", "globex", "nobody"])
async def test_no_connection_and_no_transaction_is_left_open(
    slug: str, here: Database, engine: Engine, async_engine: AsyncEngine
) -> None:
    for source in (async_engine, async_sessionmaker(async_engine)):
        await lookup_in(source)(slug)
    for sync_source in (engine, sessionmaker(engine)):
        await lookup_in(sync_source, in_thread=True)(slug)
    assert open_transactions(here) == 0
    assert checked_out(engine) == 0
    assert checked_out(async_engine) == 0


async def test_a_tenant_is_looked_up_in_any_scope(engine: Engine) -> None:
    ask = lookup_in(sessionmaker(engine), in_thread=True)
    assert await ask("acme") == TenantContext(ACME_ID)
    with tenant_scope("globex"):
        assert await ask("acme") == TenantContext(ACME_ID)
    with system_scope("look a tenant up"):
        assert await ask("acme") == TenantContext(ACME_ID)


async def test_a_sync_engine_is_queried_outside_the_event_loops_thread(engine: Engine) -> None:
    threads: list[int] = []
    event.listen(
        engine, "before_cursor_execute", lambda *args: threads.append(threading.get_ident())
    )
    with pytest.raises(ConfigurationError, match="in_thread=True"):
        lookup_in(engine)("acme")
    with pytest.raises(ConfigurationError, match="in_thread=True"):
        TenantDirectory(lookup_in(sessionmaker(engine))).find("acme", blocking=False)
    assert threads == []
    assert await lookup_in(engine, in_thread=True)("acme") == TenantContext(ACME_ID)
    assert threads
    assert threading.get_ident() not in threads


# -- which row -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "asked"),
    [
        (Tenant.slug, "acme"),
        (Tenant.number, 1),
        (Tenant.id, ACME_ID),
        (Tenant.text_id, str(ACME_ID)),
        (Tenant.backwards, 1),
    ],
)
@pytest.mark.parametrize("named", [..., Tenant.slug, Tenant.number, Tenant.id])
async def test_any_column_may_be_asked_for_and_another_name_the_tenant(
    column: Any, asked: Any, named: Any, engine: Engine, async_engine: AsyncEngine
) -> None:
    expected = {Tenant.slug: "acme", Tenant.number: 1, Tenant.id: ACME_ID, ...: asked}[named]
    for ask in (
        lookup_in(async_engine, id=column, tenant_id=named),
        lookup_in(engine, id=column, tenant_id=named, in_thread=True),
    ):
        assert said(await ask(asked)) == (type(expected), expected)


@pytest.mark.parametrize(
    ("column", "wrong"),
    [
        (Tenant.slug, [1, ACME_ID, b"acme", None, "", "acme\0", "\ud800", "a" * 256]),
        (Tenant.number, ["1", True, 1.0, ACME_ID, 2**63, -(2**63) - 1, 10**30]),
        (Tenant.backwards, [2**31, -(2**31) - 1, 10**30]),
        (Tenant.id, [str(ACME_ID), ACME_ID.int, ACME_ID.bytes]),
        (Tenant.text_id, [ACME_ID, ACME_ID.hex, str(ACME_ID).upper(), "acme"]),
    ],
)
async def test_an_id_that_the_column_cannot_hold_is_unknown_and_not_queried(
    column: Any, wrong: list[Any], engine: Engine, async_engine: AsyncEngine
) -> None:
    with sent(engine) as statements, sent(async_engine) as async_statements:
        for asked in wrong:
            assert await lookup_in(async_engine, id=column)(asked) is TenantState.UNKNOWN
            ask = lookup_in(engine, id=column, in_thread=True)
            assert await ask(asked) is TenantState.UNKNOWN
    assert statements == async_statements == []


async def test_an_id_that_the_columns_type_refuses_is_unknown(async_engine: AsyncEngine) -> None:
    assert await lookup_in(async_engine, id=Tenant.backwards)(13) is TenantState.UNKNOWN


@pytest.mark.parametrize("asked", ["Acme", "ACME", "acmé", "àcme", "acme\u00ad"])
async def test_an_id_that_only_the_database_treats_as_equal_is_unknown(
    asked: str, async_engine: AsyncEngine
) -> None:
    assert await lookup_in(async_engine)(asked) is TenantState.UNKNOWN


@pytest.mark.parametrize(("asked", "number"), [("Twin", 6), ("TWIN", 7)])
async def test_of_rows_that_the_database_treats_as_equal_the_exact_one_is_found(
    asked: str, number: int, async_engine: AsyncEngine
) -> None:
    ask = lookup_in(async_engine, id=Tenant.name, tenant_id=Tenant.number)
    assert said(await ask(asked)) == (int, number)


async def test_one_id_for_several_rows_is_an_error(async_engine: AsyncEngine) -> None:
    with pytest.raises(ConfigurationError, match="must be unique"):
        await lookup_in(async_engine, id=Tenant.plan)("same")


async def test_a_tenant_is_found_by_one_of_its_domains(
    here: Database, async_engine: AsyncEngine
) -> None:
    ask = lookup_in(async_sessionmaker(async_engine), tenants=join(Domain, Tenant), id=Domain.host)
    for host in ("acme.test", "shop.acme.test"):
        found = await ask(host)
        assert (found, found.attributes["plan"]) == (TenantContext(ACME_ID), "gold")
    with suspended(here, "acme"):
        assert await ask("acme.test") is TenantState.SUSPENDED
    assert await ask("globex.test") is TenantState.UNKNOWN


async def test_a_row_that_cannot_name_a_tenant_is_an_error(async_engine: AsyncEngine) -> None:
    ask = lookup_in(async_engine, id=Tenant.slug, tenant_id=Tenant.plan)
    assert said(await ask("acme")) == (str, "gold")
    with pytest.raises(ConfigurationError, match="with an invalid tenant id"):
        await ask("initech")


# -- which state -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "active suspended active unknown suspended"),
        (
            {"states": {State.LOCKED: TenantState.ACTIVE}},
            "suspended active suspended suspended suspended",
        ),
        # A value of another type than the column's never matches.
        ({"states": {"LIVE": TenantState.ACTIVE}}, " ".join(["suspended"] * 5)),
        ({"states": ..., "state": Tenant.open}, "active suspended suspended suspended suspended"),
        ({"states": ..., "state": Tenant.listed}, "active suspended unknown suspended suspended"),
        (
            {"states": ..., "state": Tenant.state == State.TRIAL},
            "suspended suspended active suspended suspended",
        ),
        (
            {"states": {"gold": TenantState.ACTIVE}, "state": func.coalesce(Tenant.plan, "none")},
            "active suspended suspended suspended suspended",
        ),
        ({"states": ..., "state": true()}, " ".join(["active"] * 5)),
    ],
)
async def test_a_tenant_is_active_only_in_the_given_states(
    options: dict[str, Any], expected: str, engine: Engine, async_engine: AsyncEngine
) -> None:
    slugs = [row["slug"] for row in ROWS[:5]]
    for ask in (
        lookup_in(async_engine, **options),
        lookup_in(sessionmaker(engine), in_thread=True, **options),
    ):
        found = [await ask(slug) for slug in slugs]
        states = [TenantState.ACTIVE if isinstance(each, TenantContext) else each for each in found]
        assert " ".join(each.value for each in states) == expected


async def test_attributes_are_named_as_the_columns_or_labels_are(engine: Engine) -> None:
    given = (
        Tenant.slug,
        Tenant.name,
        Tenant.plan.label("tier"),
        func.upper(Tenant.slug).label("x"),
    )
    found = await lookup_in(engine, attributes=given, in_thread=True)("acme")
    assert found.attributes == {"slug": "acme", "name": "Acme", "tier": "gold", "x": "ACME"}
    table: Any = Tenant.__table__
    core = tenants_in(
        engine,
        table,
        id=table.c.slug,
        state=table.c.open,
        attributes=[table.c.display_name],
        in_thread=True,
    )
    assert (await core("acme")).attributes == {"display_name": "Acme"}  # type: ignore[misc]


# -- any id ----------------------------------------------------------------------

NEAR = ["acme", "Acme", "acme\0", " acme", "\uff41cme", "globex", 1, 2, 2**31, 2**63, -(2**63) - 1]
IDS = st.one_of(
    st.sampled_from([*NEAR, ACME_ID, GLOBEX_ID, str(ACME_ID), str(ACME_ID).upper()]),
    st.text(st.characters(exclude_categories=())),
    st.text(st.characters(exclude_categories=()), max_size=5).map(lambda text: f"acme{text}"),
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.uuids(),
    st.uuids().map(str),
    st.booleans(),
    st.none(),
    st.binary(),
    st.floats(),
)
BY_COLUMN: list[tuple[Any, str]] = [
    (Tenant.slug, "slug"),
    (Tenant.number, "number"),
    (Tenant.backwards, "backwards"),
    (Tenant.id, "id"),
    (Tenant.text_id, "text_id"),
]


def expected_of(key: str, asked: Any) -> Any:
    for row in ROWS:
        if type(row[key]) is type(asked) and row[key] == asked:
            means = STATES.get(row["state"], TenantState.SUSPENDED)
            return (int, row["number"]) if means is TenantState.ACTIVE else means
    return TenantState.UNKNOWN


@pytest.mark.parametrize(("column", "key"), BY_COLUMN)
def test_any_id_gets_the_state_of_exactly_its_row(column: Any, key: str, here: Database) -> None:
    engine = here.engine()
    ask = lookup_in(engine, id=column, tenant_id=Tenant.number)

    @settings(deadline=None, max_examples=150)
    @given(IDS)
    def check(asked: Any) -> None:
        assert said(ask(asked)) == expected_of(key, asked)

    try:
        check()
    finally:
        engine.dispose()


@pytest.mark.parametrize(("column", "key"), BY_COLUMN)
def test_any_id_gets_the_same_by_an_async_driver(column: Any, key: str, here: Database) -> None:
    engine = here.async_engine()
    ask = lookup_in(engine, id=column, tenant_id=Tenant.number)
    with asyncio.Runner() as runner:

        @settings(deadline=None, max_examples=150)
        @given(IDS)
        def check(asked: Any) -> None:
            assert said(runner.run(ask(asked))) == expected_of(key, asked)

        try:
            check()
        finally:
            runner.run(engine.dispose())
