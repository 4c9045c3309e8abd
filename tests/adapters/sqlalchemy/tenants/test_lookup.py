"""A directory that looks tenants up in a table: its answers for all ids, end to end."""

from __future__ import annotations

import asyncio
import enum
import json
import threading
import uuid
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    AsyncAdaptedQueuePool,
    Boolean,
    Column,
    Engine,
    Enum,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    TypeDecorator,
    Uuid,
    create_engine,
    event,
    exc,
    exists,
    func,
    join,
    true,
)
from sqlalchemy.ext.asyncio import AsyncEngine, async_sessionmaker
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    scoped_session,
    sessionmaker,
)

from tenantshield_mw import (
    ConfigurationError,
    TenantContext,
    TenantDirectory,
    TenantSessionMiddleware,
    TenantSessionMiddlewareWSGI,
    TenantState,
    current_tenant,
    resolvers,
    system_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware, tenants_in
from tests.adapters.serving import AS_ACME, AS_GLOBEX, under_uvicorn, under_werkzeug
from tests.databases import NAMES, Database, database, require

from ..watching import sent

ACME_ID = uuid.UUID(int=0xAC)
GLOBEX_ID = uuid.UUID(int=0x61)


class State(enum.Enum):
    LIVE = "live"
    TRIAL = "trial"
    LOCKED = "locked"
    GONE = "gone"


class Base(DeclarativeBase):
    metadata = MetaData()


class Backwards(TypeDecorator[int]):
    """An integer that is stored in another form, which not every integer has."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Any) -> int | None:
        if value == 13:
            raise ValueError("no such number")
        return None if value is None else -value

    def process_result_value(self, value: int | None, dialect: Any) -> int | None:
        return None if value is None else -value


@shared_across_tenants
class Tenant(Base):
    __tablename__ = "directory_tenant"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(String(100), unique=True)
    number: Mapped[int] = mapped_column(unique=True)
    backwards: Mapped[int] = mapped_column(Backwards)
    text_id: Mapped[str] = mapped_column(Uuid(as_uuid=False))
    state: Mapped[State | None]
    listed: Mapped[TenantState | None] = mapped_column(Enum(TenantState))
    open: Mapped[bool | None]
    name: Mapped[str] = mapped_column("display_name", String(100))
    plan: Mapped[str | None] = mapped_column(String(100))


@shared_across_tenants
class Domain(Base):
    __tablename__ = "directory_domain"
    host: Mapped[str] = mapped_column(String(100), primary_key=True)
    tenant_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("directory_tenant.id"))


STATES = {
    State.LIVE: TenantState.ACTIVE,
    State.TRIAL: TenantState.ACTIVE,
    State.GONE: TenantState.UNKNOWN,
}
COLUMNS: dict[str, Any] = {
    "id": Tenant.slug,
    "state": Tenant.state,
    "states": STATES,
    "tenant_id": Tenant.id,
    "attributes": (Tenant.name, Tenant.plan),
}


def tenant(slug: str, number: int, state: State | None, **more: Any) -> dict[str, Any]:
    id_ = more.pop("id", uuid.UUID(int=1000 + number))
    return {
        "id": id_,
        "slug": slug,
        "number": number,
        "backwards": number,
        "text_id": str(id_),
        "state": state,
        "listed": None,
        "open": None,
        "name": slug.title(),
        "plan": None,
        **more,
    }


ROWS = [
    tenant("acme", 1, State.LIVE, id=ACME_ID, plan="gold", listed=TenantState.ACTIVE, open=True),
    tenant("globex", 2, State.LOCKED, id=GLOBEX_ID, listed=TenantState.SUSPENDED, open=False),
    tenant("initech", 3, State.TRIAL, listed=TenantState.UNKNOWN),
    tenant("umbrella", 4, State.GONE),
    tenant("nameless", 5, None),
    tenant("first", 6, State.LIVE, name="Twin", plan="same"),
    tenant("second", 7, State.LIVE, name="TWIN", plan="same"),
]


@pytest.fixture(scope="module", params=NAMES)
def here(request: pytest.FixtureRequest) -> Generator[Database]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(Tenant(**row) for row in ROWS)
            session.flush()
            for host in ("acme.test", "shop.acme.test"):
                session.add(Domain(host=host, tenant_id=ACME_ID))
            session.commit()
        engine.dispose()
        yield here


def checked_out(engine: Engine | AsyncEngine) -> int:
    """Return the number of connections in use, if the pool keeps any."""
    # SQLAlchemy 2.0's pool for aiosqlite keeps no connections and cannot tell.
    count: Any = getattr(engine.pool, "checkedout", lambda: 0)
    return int(count())


@pytest.fixture
def engine(here: Database) -> Generator[Engine]:
    engine = here.engine()
    # The statements of a first connection are not the lookup's.
    with engine.connect():
        pass
    yield engine
    assert checked_out(engine) == 0
    engine.dispose()


@pytest.fixture
async def async_engine(here: Database) -> AsyncGenerator[AsyncEngine]:
    engine = here.async_engine()
    async with engine.connect():
        pass
    yield engine
    assert checked_out(engine) == 0
    await engine.dispose()


def lookup_in(source: Any, **changed: Any) -> Any:
    """Return the lookup over ``source``, with the columns above except for ``changed``."""
    options = {key: value for key, value in (COLUMNS | changed).items() if value is not ...}
    return tenants_in(source, options.pop("tenants", Tenant), **options)


def said(listed: Any) -> Any:
    """Return a lookup's answer: the type and value of the id, or the state."""
    if isinstance(listed, TenantContext):
        return type(listed.tenant_id), listed.tenant_id
    return listed


@contextmanager
def suspended(here: Database, slug: str, column: str = "LOCKED") -> Generator[None]:
    """Change a tenant's row without SQLAlchemy, and restore it."""
    here.run(f"UPDATE directory_tenant SET state = '{column}' WHERE slug = '{slug}'")
    try:
        yield
    finally:
        here.run(f"UPDATE directory_tenant SET state = 'LIVE' WHERE slug = '{slug}'")


# -- end to end ------------------------------------------------------------------


async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": page()})


def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [])
    return [page()]


def page() -> bytes:
    tenant = current_tenant()
    return json.dumps({"id": str(tenant.tenant_id), **tenant.attributes}).encode()


ACMES_PAGE = {"id": str(ACME_ID), "name": "Acme", "plan": "gold"}


def as_tenant(slug: str) -> dict[str, str]:
    return {"X-Tenant-ID": slug}


def behind_asgi(directory: TenantDirectory, **options: Any) -> Any:
    app = TenantSessionMiddleware(
        asgi_app, resolve_tenant=resolvers.header("X-Tenant-ID"), directory=directory, **options
    )

    async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "lifespan":
            await app(scope, receive, send)

    return without_lifespan


def behind_wsgi(directory: TenantDirectory, **options: Any) -> Any:
    return TenantSessionMiddlewareWSGI(
        wsgi_app, resolve_tenant=resolvers.header("X-Tenant-ID"), directory=directory, **options
    )


ASYNC_SOURCES: dict[str, Any] = {
    "AsyncEngine": lambda engine, async_engine: lookup_in(async_engine),
    "async_sessionmaker": lambda engine, async_engine: lookup_in(async_sessionmaker(async_engine)),
    "Engine in a thread": lambda engine, async_engine: lookup_in(engine, in_thread=True),
    "sessionmaker in a thread": lambda engine, async_engine: lookup_in(
        sessionmaker(engine), in_thread=True
    ),
}


@pytest.mark.parametrize("kind", ASYNC_SOURCES)
async def test_over_asgi_a_request_gets_the_state_in_the_table(
    kind: str, here: Database, engine: Engine, async_engine: AsyncEngine
) -> None:
    directory = TenantDirectory(ASYNC_SOURCES[kind](engine, async_engine))
    async with (
        under_uvicorn(behind_asgi(directory)) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):

        async def status(slug: str) -> int:
            return (await client.get("/", headers=as_tenant(slug))).status_code

        response = await client.get("/", headers=AS_ACME)
        assert (response.status_code, response.json()) == (200, ACMES_PAGE)
        assert (await client.get("/", headers=AS_GLOBEX)).json()["code"] == "tenant_suspended"
        statuses = {slug: await status(slug) for slug in ("globex", "initech", "umbrella", "ACME")}
        assert statuses == {"globex": 403, "initech": 200, "umbrella": 404, "ACME": 404}
        with suspended(here, "acme"):
            assert await status("acme") == 200
            directory.invalidate(ACME_ID)
            assert await status("acme") == 403
        assert await status("acme") == 403
        directory.invalidate("acme")
        assert await status("acme") == 200


@pytest.mark.parametrize("make", [lambda engine: engine, sessionmaker])
def test_over_wsgi_a_request_gets_the_state_in_the_table(
    make: Any, here: Database, engine: Engine
) -> None:
    directory = TenantDirectory(lookup_in(make(engine)))
    with (
        under_werkzeug(behind_wsgi(directory)) as address,
        httpx.Client(base_url=address) as client,
    ):

        def status(slug: str) -> int:
            return client.get("/", headers=as_tenant(slug)).status_code

        response = client.get("/", headers=AS_ACME)
        assert (response.status_code, response.json()) == (200, ACMES_PAGE)
        assert client.get("/", headers=AS_GLOBEX).json()["code"] == "tenant_suspended"
        statuses = {slug: status(slug) for slug in ("globex", "initech", "umbrella", "ACME")}
        assert statuses == {"globex": 403, "initech": 200, "umbrella": 404, "ACME": 404}
        with suspended(here, "acme"):
            assert status("acme") == 200
            directory.invalidate(ACME_ID)
            assert status("acme") == 403
        directory.invalidate("acme")
        assert status("acme") == 200


# -- when the database fails -----------------------------------------------------


@contextmanager
def without_the_table(here: Database) -> Generator[None]:
    here.run("ALTER TABLE directory_tenant RENAME TO directory_away")
    try:
        yield
    finally:
        here.run("ALTER TABLE directory_away RENAME TO directory_tenant")


async def test_over_asgi_an_error_of_the_database_is_a_500_and_not_remembered(
    here: Database, async_engine: AsyncEngine
) -> None:
    app = behind_asgi(TenantDirectory(lookup_in(async_engine)))
    async with (
        under_uvicorn(app) as address,
        httpx.AsyncClient(base_url=f"http://{address}") as client,
    ):
        with without_the_table(here):
            assert (await client.get("/", headers=AS_ACME)).status_code == 500
        assert (await client.get("/", headers=AS_ACME)).status_code == 200


def test_over_wsgi_an_error_of_the_database_is_a_500_and_not_remembered(
    here: Database, engine: Engine
) -> None:
    app = behind_wsgi(TenantDirectory(lookup_in(engine)))
    with under_werkzeug(app) as address, httpx.Client(base_url=address) as client:
        with without_the_table(here):
            assert client.get("/", headers=AS_ACME).status_code == 500
        assert client.get("/", headers=AS_ACME).status_code == 200


async def test_the_error_is_the_databases_own(
    here: Database, engine: Engine, async_engine: AsyncEngine
) -> None:
    with without_the_table(here):
        with pytest.raises(exc.DBAPIError, match="directory_tenant"):
            await lookup_in(async_engine)("acme")
        with pytest.raises(exc.DBAPIError, match="directory_tenant"):
            await lookup_in(sessionmaker(engine), in_thread=True)("acme")


async def test_a_request_that_waits_for_a_connection_is_refused_in_time(here: Database) -> None:
    engine = here.async_engine(poolclass=AsyncAdaptedQueuePool, pool_size=1, max_overflow=0)
    app = behind_asgi(TenantDirectory(lookup_in(engine)), timeout=0.05)
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test"
    ) as client:
        async with engine.connect():
            refused = await client.get("/", headers=AS_ACME)
        assert (refused.status_code, refused.json()["code"]) == (503, "tenant_unavailable")
    assert (await lookup_in(engine)("acme")) == TenantContext(ACME_ID)
    await engine.dispose()


def test_a_pool_that_has_no_connection_left_is_an_error(here: Database) -> None:
    engine = here.engine(pool_size=1, max_overflow=0, pool_timeout=0.01)
    directory = TenantDirectory(lookup_in(engine))
    with engine.connect(), pytest.raises(exc.TimeoutError):
        directory.find("acme", blocking=True)
    assert directory.find("acme", blocking=True) == TenantContext(ACME_ID)
    engine.dispose()


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


# -- what is refused at once -----------------------------------------------------

METADATA = MetaData()
UNDECLARED = Table("directory_undeclared", METADATA, Column("id", Integer), Column("ok", Boolean))
AWARE = tenant_aware(
    Table(
        "directory_aware",
        METADATA,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String(50)),
        Column("ok", Boolean),
    )
)
TIED = Table(
    "directory_tied",
    METADATA,
    Column("id", Integer, ForeignKey("directory_aware.id"), primary_key=True),
    Column("ok", Boolean),
)


@pytest.fixture
def no_engine() -> Engine:
    return create_engine("sqlite://")


@pytest.mark.parametrize("table", [AWARE, TIED])
def test_a_tenant_aware_table_is_refused(table: Any, no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=f"{table.name} holds tenants' rows"):
        tenants_in(no_engine, table, id=table.c.id, state=table.c.ok)


def test_a_table_that_nobody_declared_is_refused(no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="mark it with @shared_across_tenants"):
        tenants_in(no_engine, UNDECLARED, id=UNDECLARED.c.id, state=UNDECLARED.c.ok)


def test_a_subquery_on_a_tenants_table_is_refused(no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="directory_aware"):
        lookup_in(no_engine, state=exists().where(AWARE.c.ok), states=...)


def test_columns_of_a_table_that_is_not_selected_from_are_refused(no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match="a join of the tables"):
        lookup_in(no_engine, id=Domain.host)("acme.test")


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (None, "takes an Engine"),
        ("sqlite://", "takes an Engine"),
        (Session(), "takes an Engine"),
        (scoped_session(sessionmaker()), "give its session_factory"),
    ],
)
def test_an_invalid_source_of_connections_is_refused(source: Any, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told):
        lookup_in(source)


async def test_an_async_engine_needs_no_thread(async_engine: AsyncEngine) -> None:
    with pytest.raises(ConfigurationError, match="does not block"):
        lookup_in(async_engine, in_thread=True)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"id": "slug"}, "id= of tenants_in"),
        ({"id": Tenant}, "id= of tenants_in"),
        ({"id": Column("x", Numeric())}, "the id= of tenants_in.. is a Numeric"),
        ({"id": Tenant.state}, "id= of tenants_in"),
        ({"id": Column("x", Enum("a", "b", name="x"))}, "is an Enum"),
        ({"tenant_id": Tenant.open}, "tenant_id= of tenants_in"),
        ({"state": "active"}, "state= of tenants_in"),
        ({"states": ...}, "which values of state= are active"),
        ({"states": None, "state": Tenant.plan}, "which values of state= are active"),
        ({"states": {State.LIVE: True}}, "must be a mapping"),
        ({"states": [State.LIVE]}, "must be a mapping"),
        ({"states": {}}, "no tenant could be used"),
        ({"states": {State.GONE: TenantState.UNKNOWN}}, "no tenant could be used"),
        ({"attributes": ("name",)}, "attributes= of tenants_in"),
        ({"attributes": (func.upper(Tenant.name),)}, "give the expression a label"),
        ({"attributes": (Tenant.name, Tenant.plan.label("name"))}, "have the same name"),
    ],
)
def test_other_arguments_are_refused(options: dict[str, Any], told: str, no_engine: Engine) -> None:
    with pytest.raises(ConfigurationError, match=told):
        lookup_in(no_engine, **options)
