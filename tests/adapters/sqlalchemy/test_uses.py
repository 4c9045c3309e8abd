"""A connection and a session that several tasks or threads share."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from tenantshield_mw import (
    MissingTenantContextError,
    ScopeMismatchError,
    UnguardedStatementError,
    system_scope,
    tenant_scope,
)
from tests.databases import NAMES, Database, database
from tests.threads import in_thread

from .letters import LETTER, STAMP, Letter, seed
from .pausing import MOMENTS, beside, beside_async
from .watching import engine_for_threads

BODIES = select(LETTER.c.body)


@pytest.fixture(params=[*NAMES, "postgresql+psycopg"])
def here(request: pytest.FixtureRequest) -> Iterator[tuple[Database, AsyncEngine]]:
    name, _, driver = request.param.partition("+")
    with database(name) as made:
        engine = made.engine()
        seed(engine)
        engine.dispose()
        url = made.async_url.set(drivername=request.param) if driver else made.async_url
        yield made, made.async_engine() if not driver else create_async_engine(url)


@pytest.fixture
async def async_engine(here: tuple[Database, AsyncEngine]) -> AsyncIterator[AsyncEngine]:
    yield here[1]
    await here[1].dispose()


sync_engine = engine_for_threads(seed)


OTHER_SCOPES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "another tenant": lambda: tenant_scope("globex"),
    "a system scope": lambda: system_scope("to see all"),
    "no scope": nullcontext,
}
OTHERS = pytest.mark.parametrize("other", OTHER_SCOPES)


# -- one connection ------------------------------------------------------------------


@OTHERS
@pytest.mark.parametrize("moment", MOMENTS)
async def test_two_tasks_do_not_use_a_connection_in_two_scopes(
    async_engine: AsyncEngine, moment: str, other: str
) -> None:
    async with async_engine.connect() as connection:

        async def ours() -> Any:
            with tenant_scope("acme"):
                return (await connection.scalars(BODIES)).all()

        async def theirs() -> Any:
            with OTHER_SCOPES[other]():
                return (await connection.scalars(BODIES)).all()

        found, refused = await beside_async(async_engine, moment, ours, theirs)
        assert found == ["ours"]
        assert isinstance(refused, ScopeMismatchError)
        assert "another task or thread is using this connection in one tenant's" in str(refused)
        # And each after the other.
        with tenant_scope("globex"):
            assert (await connection.scalars(BODIES)).all() == ["top secret"]
        assert await ours() == ["ours"]


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_system_scope_does_not_open_a_connection_to_a_tenant(
    async_engine: AsyncEngine, moment: str
) -> None:
    async with async_engine.connect() as connection:

        async def of_all() -> Any:
            with system_scope("to see all"):
                return (await connection.scalars(BODIES)).all()

        async def ours() -> Any:
            with tenant_scope("acme"):
                return (await connection.scalars(BODIES)).all()

        found, refused = await beside_async(async_engine, moment, of_all, ours)
        assert sorted(found) == ["ours", "top secret"]
        assert isinstance(refused, ScopeMismatchError)


@OTHERS
@pytest.mark.parametrize("moment", MOMENTS)
def test_two_threads_do_not_use_a_connection_in_two_scopes(
    sync_engine: Engine, moment: str, other: str
) -> None:
    with sync_engine.connect() as connection:

        def ours() -> Any:
            with tenant_scope("acme"):
                return connection.scalars(BODIES).all()

        def theirs() -> Any:
            with OTHER_SCOPES[other]():
                return connection.execute(update(LETTER).values(body="changed"))

        found, refused = beside(sync_engine, moment, ours, theirs)
        assert found == ["ours"]
        assert isinstance(refused, ScopeMismatchError)
        with tenant_scope("globex"):
            assert connection.scalars(BODIES).all() == ["top secret"]
        with pytest.raises(MissingTenantContextError):
            connection.execute(BODIES)


def test_no_transaction_begins_in_the_midst_of_another_scopes_statement(
    sync_engine: Engine,
) -> None:
    engine = create_engine(sync_engine.url, connect_args={"check_same_thread": False})
    with engine.connect() as connection:

        def ours() -> Any:
            with tenant_scope("acme"):
                return connection.scalars(BODIES).all()

        def theirs() -> Any:
            with tenant_scope("globex"):
                return connection.begin()

        found, refused = beside(engine, "before_execute", ours, theirs)
        assert found == ["ours"]
        assert isinstance(refused, ScopeMismatchError)


@pytest.mark.parametrize("moment", MOMENTS)
async def test_two_tasks_of_one_tenant_may_share_a_connection(moment: str) -> None:
    with database("sqlite") as made:
        seed(made.engine())
        engine = made.async_engine()
        async with engine.connect() as connection:

            async def ours() -> Any:
                with tenant_scope("acme"):
                    return (await connection.scalars(BODIES)).all()

            assert await beside_async(engine, moment, ours, ours) == (["ours"], ["ours"])
            with pytest.raises(MissingTenantContextError):
                await connection.execute(BODIES)
        await engine.dispose()


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_reviewed_statement_does_not_open_the_connection_to_another_one(
    sync_engine: Engine, moment: str
) -> None:
    sql = text("SELECT body FROM inst_letter")
    with sync_engine.connect() as connection:

        def reviewed() -> Any:
            with tenant_scope("acme"):
                options = {"tenantshield_reviewed": True}
                return connection.scalars(sql, execution_options=options).all()

        def unreviewed() -> Any:
            with tenant_scope("acme"):
                return connection.scalars(sql).all()

        found, refused = beside(sync_engine, moment, reviewed, unreviewed)
        assert sorted(found) == ["ours", "top secret"]
        assert isinstance(refused, ScopeMismatchError | UnguardedStatementError)


@pytest.mark.parametrize("moment", ["before_cursor_execute", "begin"])
def test_ddl_does_not_open_the_connection_to_another_statement(
    sync_engine: Engine, moment: str
) -> None:
    with sync_engine.connect() as connection:

        def make() -> Any:
            with tenant_scope("acme"):
                connection.execute(CreateTable(STAMP, if_not_exists=True))

        def read() -> Any:
            with tenant_scope("acme"):
                return connection.scalars(BODIES).all()

        found, refused = beside(sync_engine, moment, make, read)
        assert found is None
        assert isinstance(refused, ScopeMismatchError)
        assert "guarded in another way" in str(refused)


def test_a_connection_may_go_to_another_thread(sync_engine: Engine) -> None:
    with sync_engine.connect() as connection:
        for tenant, body in (("acme", "ours"), ("globex", "top secret")):

            def read(tenant: str = tenant) -> Any:
                with tenant_scope(tenant):
                    return connection.scalars(BODIES).all()

            assert in_thread(read) == [body]


# -- one session ---------------------------------------------------------------------


async def test_two_tasks_do_not_load_into_a_session_in_two_scopes(
    async_engine: AsyncEngine,
) -> None:
    async with AsyncSession(async_engine) as session:

        async def ours() -> Any:
            with tenant_scope("acme"):
                return [each.body for each in await session.scalars(select(Letter))]

        async def theirs() -> Any:
            with tenant_scope("globex"):
                found = await session.get(Letter, 1), await session.get(Letter, 2)
                return [each and each.body for each in found]

        found, others = await beside_async(async_engine, "before_cursor_execute", ours, theirs)
        assert found == ["ours"]
        assert isinstance(others, ScopeMismatchError)


def test_two_threads_do_not_load_into_a_session_in_two_scopes(sync_engine: Engine) -> None:
    with Session(sync_engine) as session:

        def ours() -> Any:
            with tenant_scope("acme"):
                return [each.body for each in session.scalars(select(Letter))]

        def theirs() -> Any:
            with tenant_scope("globex"):
                return [each.body for each in session.scalars(select(Letter))]

        found, others = beside(sync_engine, "before_cursor_execute", ours, theirs)
        assert found == ["ours"]
        assert isinstance(others, ScopeMismatchError)


# Its name depends on SQLAlchemy's version.
MEMORY: Any = type(Session().identity_map)


class _Slow(MEMORY):  # type: ignore[misc]
    """Memory in which an object is looked for after something else has happened."""

    meanwhile: Any = None

    def get(self, key: Any, default: Any = None) -> Any:
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            in_thread(meanwhile)
        return super().get(key, default)

    def __contains__(self, key: Any) -> bool:
        return self.get(key) is not None


@pytest.mark.parametrize("how", ["get", "merge"])
def test_a_thread_does_not_find_what_another_one_has_loaded_meanwhile(
    sync_engine: Engine, how: str
) -> None:
    with Session(sync_engine) as session:
        session.identity_map = slow = _Slow()
        kept: list[Any] = []

        def theirs() -> Any:
            with tenant_scope("globex"):
                kept.append(session.get(Letter, 2))

        with tenant_scope("acme"):
            session.get(Letter, 1)
            slow.meanwhile = theirs
            with pytest.raises(ScopeMismatchError, match="give each thread a session"):
                session.get(Letter, 2) if how == "get" else session.merge(Letter(id=2))
        assert kept[0].body == "top secret"


async def test_what_one_task_adds_is_not_written_for_the_tenant_of_another(
    here: tuple[Database, AsyncEngine], async_engine: AsyncEngine
) -> None:
    async with AsyncSession(async_engine, autoflush=True) as session:
        with tenant_scope("globex"):
            session.add(Letter(id=9, body="globex only"))
        with tenant_scope("acme"), pytest.raises(ScopeMismatchError):
            await session.scalars(select(Letter))
        with tenant_scope("globex"):
            await session.commit()
    sql = "SELECT tenant_id FROM inst_letter WHERE id = 9"
    assert here[0].read(sql) == [("globex",)]
