"""The rules about scopes, one test for each rule that needs a database.

The parts that need none stand in ``tests/core/test_settled_scopes.py``, those about the
parameters of the scopes in ``test_scopes.py``.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import (
    Engine,
    ForeignKey,
    Integer,
    MetaData,
    StaticPool,
    String,
    Table,
    event,
    func,
    insert,
    select,
    text,
    update,
)
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
)
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    scoped_session,
    selectinload,
    sessionmaker,
)

from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantSessionMiddleware,
    TenantShieldError,
    atenant_scope,
    carry_tenant,
    system_scope,
    tenant_scope,
    try_current_tenant,
)
from tenantshield_mw.adapters.sqlalchemy import (
    AsyncSessionScope,
    SessionScope,
    bind_async_session_to_tenant,
    bind_session_to_tenant,
    shared_across_tenants,
    tenant_aware,
)
from tests.core.calling import call_asgi, http_scope
from tests.databases import Database, database

from .watching import fill, rows, sent


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Room(Base):
    __tablename__ = "rule_room"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    name: Mapped[str | None] = mapped_column(String(50))
    chairs: Mapped[list[Chair]] = relationship(back_populates="room", order_by="Chair.id")


@tenant_aware
class Chair(Base):
    __tablename__ = "rule_chair"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    room_id: Mapped[int | None] = mapped_column(ForeignKey("rule_room.id"))
    room: Mapped[Room | None] = relationship(back_populates="chairs")


@shared_across_tenants
class Colour(Base):
    __tablename__ = "rule_colour"
    id: Mapped[int] = mapped_column(primary_key=True)


SEED = (
    (
        "INSERT INTO rule_room VALUES (1, 'acme', 'a1'), (2, 'acme', 'a2'), (3, 'globex', 'g3'),"
        " (4, 'globex', 'g4'), (5, 'initech', 'i5')"
    ),
    "INSERT INTO rule_chair VALUES (11, 'acme', 1), (12, 'acme', 2), (13, 'globex', 3)",
    "INSERT INTO rule_colour VALUES (1)",
)
ROOMS = {"acme": [1, 2], "globex": [3, 4], "initech": [5]}


@pytest.fixture
def here() -> Iterator[Database]:
    with database("sqlite") as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        fill(engine, *SEED)
        engine.dispose()
        yield here


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    engine = here.engine()
    yield engine
    engine.dispose()


@pytest.fixture
async def async_engine(here: Database) -> AsyncIterator[AsyncEngine]:
    engine = here.async_engine()
    yield engine
    await engine.dispose()


def seen(engine: Engine) -> list[int]:
    with Session(engine) as session:
        return list(session.scalars(select(Room.id).order_by(Room.id)))


async def aseen(engine: AsyncEngine) -> list[int]:
    async with AsyncSession(engine) as session:
        return list(await session.scalars(select(Room.id).order_by(Room.id)))


# -- rule 1: one ContextVar underlies sync and async -----------------------------


async def test_what_the_sync_scope_binds_an_async_query_sees(async_engine: AsyncEngine) -> None:
    with tenant_scope("acme"):
        assert await aseen(async_engine) == [1, 2]
        await asyncio.sleep(0)
        assert await aseen(async_engine) == [1, 2]


async def test_what_the_async_scope_binds_a_sync_query_sees(engine: Engine) -> None:
    async with atenant_scope("acme"):
        assert seen(engine) == [1, 2]


async def test_gathered_tasks_query_their_own_tenants_rows(async_engine: AsyncEngine) -> None:
    turns = asyncio.Barrier(len(ROOMS))

    async def work(tenant: str) -> list[list[int]]:
        found = []
        async with atenant_scope(tenant), AsyncSession(async_engine) as session:
            for _ in range(3):
                await turns.wait()
                found.append(list(await session.scalars(select(Room.id).order_by(Room.id))))
                session.expire_all()
        return found

    results = await asyncio.gather(*(work(tenant) for tenant in ROOMS))
    assert list(results) == [[ids] * 3 for ids in ROOMS.values()]


async def test_gathered_tasks_write_under_their_own_tenants(async_engine: AsyncEngine) -> None:
    turns = asyncio.Barrier(len(ROOMS))
    lock = asyncio.Lock()

    async def work(number: int, tenant: str) -> None:
        async with atenant_scope(tenant), AsyncSession(async_engine) as session:
            session.add(Room(id=number, name="new"))
            await turns.wait()
            # SQLite has one writer at a time.
            async with lock:
                await session.commit()

    await asyncio.gather(*(work(100 + n, tenant) for n, tenant in enumerate(ROOMS)))
    with system_scope("count"):
        async with AsyncSession(async_engine) as session:
            found = await session.execute(
                select(Room.id, Room.tenant_id).where(Room.id >= 100).order_by(Room.id)
            )
            assert [tuple(each) for each in found] == [
                (100, "acme"),
                (101, "globex"),
                (102, "initech"),
            ]


async def test_to_thread_carries_the_tenant_to_a_sync_session(engine: Engine) -> None:
    async with atenant_scope("acme"):
        assert await asyncio.to_thread(seen, engine) == [1, 2]
    with pytest.raises(MissingTenantContextError):
        await asyncio.to_thread(seen, engine)


async def test_threads_of_gathered_tasks_keep_to_their_tenants(engine: Engine) -> None:
    async def work(tenant: str) -> list[int]:
        async with atenant_scope(tenant):
            return await asyncio.to_thread(seen, engine)

    results = await asyncio.gather(*(work(tenant) for tenant in ROOMS))
    assert list(results) == list(ROOMS.values())


def test_asyncio_run_from_sync_code_carries_the_tenant(here: Database) -> None:
    async def work() -> list[int]:
        engine = here.async_engine()
        try:
            return await aseen(engine)
        finally:
            await engine.dispose()

    with tenant_scope("globex"):
        assert asyncio.run(work()) == [3, 4]
    with pytest.raises(MissingTenantContextError):
        asyncio.run(work())


async def test_sync_and_async_scopes_nest_and_restore_around_queries(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    with tenant_scope("acme"):
        assert seen(engine) == [1, 2]
        async with atenant_scope("globex"):
            assert await aseen(async_engine) == [3, 4]
            with tenant_scope("initech"):
                assert seen(engine) == [5]
                assert await aseen(async_engine) == [5]
            assert seen(engine) == [3, 4]
        assert await aseen(async_engine) == [1, 2]
    with pytest.raises(MissingTenantContextError):
        seen(engine)


# -- rule 2: the async surface is parallel ---------------------------------------


async def test_every_pair_of_scopes_confines_sessions_of_both_kinds(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    for scope in (SessionScope("acme"), bind_session_to_tenant("acme"), tenant_scope("acme")):
        with scope:
            assert seen(engine) == [1, 2]
            assert await aseen(async_engine) == [1, 2]
    for ascope in (
        AsyncSessionScope("acme"),
        bind_async_session_to_tenant("acme"),
        atenant_scope("acme"),
    ):
        async with ascope:
            assert seen(engine) == [1, 2]
            assert await aseen(async_engine) == [1, 2]


async def test_an_unbound_async_scope_reaches_shared_rows_only(async_engine: AsyncEngine) -> None:
    async with atenant_scope("acme"), AsyncSessionScope():
        async with AsyncSession(async_engine) as session:
            assert list(await session.scalars(select(Colour.id))) == [1]
        with pytest.raises(MissingTenantContextError):
            await aseen(async_engine)


# -- rule 3: one set of handlers for both kinds of session -----------------------


def test_there_are_no_handlers_for_async_sessions_of_their_own() -> None:
    # A module that was never imported cannot have listeners.
    program = (
        "import sys, tenantshield_mw.adapters.sqlalchemy\n"
        "print('sqlalchemy.ext.asyncio' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.stdout.strip(), done.stderr) == ("False", "")


async def test_the_same_acts_end_the_same_way_through_both_kinds_of_session(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    def write_reference(session: Session) -> None:
        session.add(Chair(id=91, room_id=3))
        session.flush()

    def write(session: Session) -> str:
        session.add(Room(id=92))
        session.flush()
        return session.get_one(Room, 92).tenant_id

    acts: list[Callable[[Session], Any]] = [
        lambda session: list(session.scalars(select(Room.id).order_by(Room.id))),
        lambda session: session.get(Room, 3),
        lambda session: session.get(Room, 1) is not None,
        lambda session: [chair.room_id for chair in session.get_one(Room, 1).chairs],
        lambda session: list(session.scalars(update(Room).values(name="x").returning(Room.id))),
        lambda session: session.execute(text("SELECT * FROM rule_room")),
        lambda session: session.execute(insert(Room).values(id=90, tenant_id="globex")),
        write_reference,
        write,
        lambda session: session.scalar(select(func.count()).select_from(Room)),
    ]

    def outcome(act: Callable[[Session], Any], session: Session) -> Any:
        try:
            return act(session)
        except TenantShieldError as error:
            return type(error), str(error)

    async with atenant_scope("acme"):
        for act in acts:
            with Session(engine) as session:
                expected = outcome(act, session)
                session.rollback()
            async with AsyncSession(async_engine) as asession:
                assert await asession.run_sync(partial(outcome, act)) == expected
                await asession.rollback()


async def test_both_kinds_of_session_live_in_one_process_under_one_binding(
    engine: Engine, async_engine: AsyncEngine
) -> None:
    async with atenant_scope("acme"):
        with Session(engine) as session:
            async with AsyncSession(async_engine) as asession:
                assert list(session.scalars(select(Room.id))) == [1, 2]
                assert list(await asession.scalars(select(Room.id))) == [1, 2]
                with tenant_scope("globex"):
                    assert list(await asession.scalars(select(Room.id))) == [3, 4]
                    assert list(session.scalars(select(Room.id))) == [3, 4]
                assert list(session.scalars(select(Room.id))) == [1, 2]
                assert list(await asession.scalars(select(Room.id))) == [1, 2]


async def test_an_async_session_serves_one_tenant_at_a_time(async_engine: AsyncEngine) -> None:
    async with AsyncSession(async_engine) as session:
        async with atenant_scope("acme"):
            held = await session.get(Room, 1)
            assert held is not None
        async with atenant_scope("globex"):
            assert await session.get(Room, 1) is None
            assert held not in session
            session.add(Room(id=77))
        async with atenant_scope("acme"):
            with pytest.raises(ScopeMismatchError):
                await session.get(Room, 1)


# -- rule 4: the middleware ------------------------------------------------------


async def test_sync_and_async_resolvers_confine_the_apps_queries(
    async_engine: AsyncEngine,
) -> None:
    found: list[list[int]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        found.append(await aseen(async_engine))
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def later(scope: Any) -> str:
        await asyncio.sleep(0)
        return "globex"

    for resolver in (lambda scope: "acme", later):
        await call_asgi(TenantSessionMiddleware(app, resolve_tenant=resolver), http_scope("/"))
    assert found == [[1, 2], [3, 4]]


# -- rule 5: any session will do -------------------------------------------------


class OwnSession(Session):
    """A subclass in the application."""


class OwnAsyncSession(AsyncSession):
    """A subclass in the application."""


def check(session: Any) -> None:
    """Use a session of any kind in the usual way; ``acme`` is in scope."""
    assert list(session.scalars(select(Room.id).order_by(Room.id))) == [1, 2]
    assert session.get(Room, 3) is None
    session.add(Room(id=60))
    session.commit()
    assert session.get(Room, 60).tenant_id == "acme"
    session.add(Chair(id=61, room_id=3))
    with pytest.raises(CrossTenantAccessError):
        session.commit()
    session.rollback()
    session.close()


async def acheck(session: Any) -> None:
    assert list(await session.scalars(select(Room.id).order_by(Room.id))) == [1, 2]
    assert await session.get(Room, 3) is None
    session.add(Room(id=60))
    await session.commit()
    room = await session.get(Room, 60)
    await session.refresh(room)
    assert room.tenant_id == "acme"
    session.add(Chair(id=61, room_id=3))
    with pytest.raises(CrossTenantAccessError):
        await session.commit()
    await session.rollback()
    await session.close()


SYNC: dict[str, Callable[[Engine], Any]] = {
    "Session": lambda engine: Session(engine),
    "a subclass": lambda engine: OwnSession(engine),
    "sessionmaker": lambda engine: sessionmaker(engine)(),
    "sessionmaker of a subclass": lambda engine: sessionmaker(engine, class_=OwnSession)(),
    "without autoflush": lambda engine: sessionmaker(engine, autoflush=False)(),
    "without expiry": lambda engine: sessionmaker(engine, expire_on_commit=False)(),
    "scoped_session": lambda engine: scoped_session(sessionmaker(engine)),
    "bound to a connection": lambda engine: Session(engine.connect()),
    "bound by class": lambda engine: Session(binds={Room: engine, Chair: engine}),
    "with savepoints": lambda engine: Session(
        engine.connect(), join_transaction_mode="create_savepoint"
    ),
}

ASYNC: dict[str, Callable[[AsyncEngine], Any]] = {
    "AsyncSession": lambda engine: AsyncSession(engine),
    "a subclass": lambda engine: OwnAsyncSession(engine),
    "async_sessionmaker": lambda engine: async_sessionmaker(engine)(),
    "a sync class of its own": lambda engine: AsyncSession(engine, sync_session_class=OwnSession),
    "without expiry": lambda engine: async_sessionmaker(engine, expire_on_commit=False)(),
    "async_scoped_session": lambda engine: async_scoped_session(
        async_sessionmaker(engine), asyncio.current_task
    ),
}


@pytest.mark.parametrize("make", SYNC)
def test_any_sync_session_is_confined(engine: Engine, make: str) -> None:
    session = SYNC[make](engine)
    with tenant_scope("acme"):
        check(session)
    with pytest.raises(MissingTenantContextError):
        session.scalars(select(Room.id))
    session.close()
    if isinstance(getattr(session, "bind", None), Engine) is False and session.bind is not None:
        session.bind.close()


@pytest.mark.parametrize("make", ASYNC)
async def test_any_async_session_is_confined(async_engine: AsyncEngine, make: str) -> None:
    session = ASYNC[make](async_engine)
    async with atenant_scope("acme"):
        await acheck(session)
    with pytest.raises(MissingTenantContextError):
        await session.scalars(select(Room.id))
    await session.close()


def test_flask_sqlalchemys_session_is_confined(here: Database) -> None:
    flask = pytest.importorskip("flask")
    extension = pytest.importorskip("flask_sqlalchemy")
    app = flask.Flask("rules")
    app.config["SQLALCHEMY_DATABASE_URI"] = here.url
    db = extension.SQLAlchemy(app)
    with app.app_context():
        with tenant_scope("acme"):
            check(db.session)
            assert db.session.scalars(db.select(Room.id)).all() == [1, 2, 60]
        with pytest.raises(MissingTenantContextError):
            db.session.scalars(select(Room.id))
        db.session.remove()
        db.engine.dispose()


def test_a_model_of_flask_sqlalchemy_is_marked_and_confined(here: Database) -> None:
    flask = pytest.importorskip("flask")
    extension = pytest.importorskip("flask_sqlalchemy")
    app = flask.Flask("rules")
    app.config["SQLALCHEMY_DATABASE_URI"] = here.url
    db: Any = extension.SQLAlchemy(app)
    table: Table = db.Table(
        "rule_flask",
        db.Column("id", Integer, primary_key=True),
        db.Column("tenant_id", String(50)),
    )
    made: Any = type("FlaskThing", (db.Model,), {"__table__": table})
    thing = tenant_aware(made)
    with app.app_context():
        db.create_all()
        for number, tenant in enumerate(ROOMS, start=1):
            with tenant_scope(tenant):
                db.session.add(thing(id=number))
                db.session.commit()
        with tenant_scope("globex"):
            assert [each.id for each in thing.query.all()] == [2]
            assert db.paginate(select(thing)).total == 1
        with pytest.raises(MissingTenantContextError):
            thing.query.all()
        db.session.remove()
        db.engine.dispose()


def test_advanced_alchemys_session_is_confined(here: Database) -> None:
    pytest.importorskip("advanced_alchemy", reason="Advanced Alchemy is not installed")
    config: Any = vars(import_module("advanced_alchemy.config"))["SQLAlchemySyncConfig"]
    made = config(engine_instance=here.engine())
    with tenant_scope("acme"), made.get_session() as session:
        check(session)
    made.get_engine().dispose()


async def test_advanced_alchemys_async_session_and_repository_are_confined(
    async_engine: AsyncEngine,
) -> None:
    pytest.importorskip("advanced_alchemy", reason="Advanced Alchemy is not installed")
    config: Any = vars(import_module("advanced_alchemy.config"))["SQLAlchemyAsyncConfig"]
    repository: Any = vars(import_module("advanced_alchemy.repository"))[
        "SQLAlchemyAsyncRepository"
    ]
    rooms = type("Rooms", (repository,), {"model_type": Room})
    made = config(engine_instance=async_engine)
    async with atenant_scope("acme"), made.get_session() as session:
        found = rooms(session=session)
        # Called list() in older releases.
        listed = await (found.get_many if hasattr(found, "get_many") else found.list)()
        assert sorted(room.id for room in listed) == [1, 2]
        assert await rooms(session=session).get_one_or_none(id=3) is None
        assert await rooms(session=session).count() == 2
        await acheck(session)


# -- scopes lost: threads and executors ------------------------------------------


def in_thread(function: Callable[[], Any]) -> Any:
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            outcome.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(outcome[0], BaseException):
        raise outcome[0]
    return outcome[0]


def test_a_plain_thread_finds_no_tenant_and_raises(engine: Engine) -> None:
    with tenant_scope("acme"):
        assert in_thread(try_current_tenant) is None
        with pytest.raises(MissingTenantContextError):
            in_thread(lambda: seen(engine))


def test_an_executor_finds_no_tenant_and_raises(engine: Engine) -> None:
    with (
        ThreadPoolExecutor(1) as executor,
        tenant_scope("acme"),
        pytest.raises(MissingTenantContextError),
    ):
        executor.submit(seen, engine).result()


async def test_the_loops_executor_finds_no_tenant_and_raises(engine: Engine) -> None:
    async with atenant_scope("acme"):
        with pytest.raises(MissingTenantContextError):
            await asyncio.get_running_loop().run_in_executor(None, seen, engine)
        carried = carry_tenant(seen)
        found = await asyncio.get_running_loop().run_in_executor(None, carried, engine)
        assert found == [1, 2]


def test_carry_tenant_carries_it_on_purpose(engine: Engine) -> None:
    with ThreadPoolExecutor(1) as executor:
        with tenant_scope("acme"):
            carried = carry_tenant(seen)
            assert in_thread(lambda: carried(engine)) == [1, 2]
            first = executor.submit(carried, engine)
        with tenant_scope("globex"):
            second = executor.submit(carry_tenant(seen), engine)
        assert first.result() == [1, 2]
        assert second.result() == [3, 4]
        # The worker thread has not kept the binding.
        with pytest.raises(MissingTenantContextError):
            executor.submit(seen, engine).result()


def test_a_session_handed_to_a_thread_without_a_tenant_answers_nothing(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        held = session.get(Room, 1)
        assert held is not None
        with pytest.raises(MissingTenantContextError):
            in_thread(lambda: session.get(Room, 1))


# -- scopes lost: generators, tasks and results ----------------------------------


def rooms_one_by_one(engine: Engine) -> Generator[int, None, None]:
    with Session(engine) as session:
        for number in (1, 2, 3, 4, 5):
            room = session.get(Room, number)
            if room is not None:
                yield room.id


def test_a_generator_begun_in_a_scope_and_read_on_without_one_raises(engine: Engine) -> None:
    with tenant_scope("acme"):
        generator = rooms_one_by_one(engine)
        assert next(generator) == 1
    with pytest.raises(MissingTenantContextError):
        next(generator)


def test_a_generator_read_on_in_another_scope_yields_none_of_the_first_tenants_rows(
    engine: Engine,
) -> None:
    with tenant_scope("acme"):
        generator = rooms_one_by_one(engine)
        assert next(generator) == 1
    with tenant_scope("globex"):
        try:
            assert set(generator) <= {3, 4}
        except TenantShieldError:
            generator.close()


def test_a_generator_that_ends_its_scope_late_leaves_no_tenant_behind(engine: Engine) -> None:
    def with_its_own() -> Generator[list[int], None, None]:
        with tenant_scope("acme"):
            yield seen(engine)
        yield []

    scope = contextmanager(with_its_own)()
    with tenant_scope("globex"):
        assert scope.__enter__() == [1, 2]
        with pytest.raises(RuntimeError, match="didn't stop"):
            scope.__exit__(None, None, None)
        assert seen(engine) == [3, 4]
    with pytest.raises(MissingTenantContextError):
        seen(engine)


async def test_a_task_keeps_the_tenant_under_which_it_was_made(async_engine: AsyncEngine) -> None:
    go = asyncio.Event()

    async def work() -> list[int]:
        await go.wait()
        return await aseen(async_engine)

    async with atenant_scope("acme"):
        task = asyncio.create_task(work())
    async with atenant_scope("globex"):
        go.set()
        assert await task == [1, 2]
        assert await aseen(async_engine) == [3, 4]


async def test_a_task_made_without_a_tenant_never_gets_one(async_engine: AsyncEngine) -> None:
    go = asyncio.Event()

    async def work() -> list[int]:
        await go.wait()
        return await aseen(async_engine)

    task = asyncio.create_task(work())
    await asyncio.sleep(0)
    async with atenant_scope("globex"):
        go.set()
        with pytest.raises(MissingTenantContextError):
            await task


def streamed(session: Session, statement: Any) -> Iterator[Any]:
    return iter(session.scalars(statement.execution_options(yield_per=1)))


LOADING = select(Room).order_by(Room.id).options(selectinload(Room.chairs))


@pytest.mark.parametrize("used_before", [True, False])
def test_a_streamed_result_read_on_in_another_scope_runs_nothing_there(
    engine: Engine, used_before: bool
) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = streamed(session, LOADING)
            assert [each.id for each in next(result).chairs] == [11]
        with tenant_scope("globex"):
            if used_before:
                session.get(Room, 3)
            with sent(engine) as statements, pytest.raises(TenantShieldError):
                next(result)
            assert statements == []


def test_a_streamed_result_read_on_in_another_scope_puts_nothing_into_the_session(
    engine: Engine,
) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = streamed(session, select(Room).order_by(Room.id))
            assert next(result).id == 1
        with tenant_scope("globex"):
            with pytest.raises(TenantShieldError):
                next(result)
            assert session.get(Room, 2) is None


def test_a_streamed_result_read_on_without_a_scope_raises(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = streamed(session, LOADING)
            next(result)
        with pytest.raises(TenantShieldError):
            next(result)


@pytest.mark.parametrize("size", [None, 1])
def test_a_result_read_first_in_another_scope_runs_nothing_and_keeps_its_rows(
    engine: Engine, size: int | None
) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            result = session.scalars(LOADING)
            if size:
                result = result.yield_per(size)
        with tenant_scope("globex"), sent(engine) as statements:
            with pytest.raises(ScopeMismatchError, match="read it to its end in the scope"):
                result.fetchmany(1)
            assert statements == []
            assert len(session.identity_map) == 0
        if not size:
            with tenant_scope("acme"):
                assert [(each.id, len(each.chairs)) for each in result] == [(1, 1), (2, 1)]


def test_a_streamed_result_is_read_to_its_end_in_its_own_scope(engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("acme"):
        result = streamed(session, LOADING)
        assert [(each.id, len(each.chairs)) for each in result] == [(1, 1), (2, 1)]


async def test_an_async_stream_read_on_in_another_scope_runs_nothing_there(
    async_engine: AsyncEngine,
) -> None:
    async with AsyncSession(async_engine) as session:
        async with atenant_scope("acme"):
            result = await session.stream_scalars(LOADING.execution_options(yield_per=1))
            first = await anext(result)
            assert first.id == 1
        async with atenant_scope("globex"):
            with sent(async_engine) as statements, pytest.raises(TenantShieldError):
                await anext(result)
            assert statements == []
        await result.close()


def test_what_a_core_result_still_holds_is_its_own_tenants(engine: Engine) -> None:
    with engine.connect() as connection:
        with tenant_scope("acme"):
            result = connection.execute(select(Room.tenant_id).order_by(Room.id))
            assert result.fetchone() == ("acme",)
        with tenant_scope("globex"), sent(engine) as statements:
            try:
                assert [tuple(row) for row in result] == [("acme",)]
            except TenantShieldError:
                result.close()
        assert statements == []


async def test_a_cancelled_task_leaves_no_tenant_behind(async_engine: AsyncEngine) -> None:
    started = asyncio.Event()

    async def work() -> None:
        async with atenant_scope("acme"), AsyncSession(async_engine) as session:
            await session.scalars(select(Room))
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert try_current_tenant() is None
    async with atenant_scope("globex"):
        assert await aseen(async_engine) == [3, 4]


def test_connections_of_a_pool_keep_nothing_of_a_tenant(here: Database) -> None:
    engine = here.engine(poolclass=StaticPool)
    for tenant in ("acme", "globex", "acme"):
        with tenant_scope(tenant):
            assert seen(engine) == ROOMS[tenant]
        with pytest.raises(MissingTenantContextError):
            seen(engine)
    assert rows(engine, "SELECT count(*) FROM rule_room") == [(5,)]
    engine.dispose()


def test_the_applications_own_listeners_run_under_the_callers_tenant(engine: Engine) -> None:
    heard: list[Any] = []

    def listener(session: Session, flush_context: Any) -> None:
        tenant = try_current_tenant()
        heard.append(tenant and tenant.tenant_id)
        heard.append(session.scalar(select(func.count()).select_from(Room)))

    with Session(engine) as session, tenant_scope("acme"):
        event.listen(session, "after_flush_postexec", listener)
        session.add(Room(id=70))
        session.flush()
    assert heard == ["acme", 3]


def _generate(scope: Any) -> Generator[None]:
    with scope:
        yield


async def _generate_later(scope: Any) -> AsyncGenerator[None]:
    async with scope:
        yield


async def test_a_generator_does_not_yield_in_a_session_scope() -> None:
    for generate in (_generate(SessionScope("acme")), _generate(tenant_scope("acme"))):
        with pytest.raises(ConfigurationError, match="this generator would yield"):
            next(generate)
    with pytest.raises(ConfigurationError, match="this generator would yield"):
        await anext(_generate_later(AsyncSessionScope("acme")))


def test_a_generator_that_would_yield_in_its_scope_leaves_its_consumers_as_it_is(
    engine: Engine,
) -> None:
    def report() -> Generator[list[int]]:
        with tenant_scope("acme"):
            yield seen(engine)

    with tenant_scope("globex"):
        with pytest.raises(ConfigurationError, match="this generator would yield"):
            next(report())
        assert seen(engine) == [3, 4]
