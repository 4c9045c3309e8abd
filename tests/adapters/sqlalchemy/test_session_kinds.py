"""Any session will do: SQLAlchemy's, a subclass, or another library's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from importlib import import_module
from typing import Any

import pytest
from sqlalchemy import Engine, Integer, String, Table, select
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
)
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from tenantshield_mw import (
    CrossTenantAccessError,
    MissingTenantContextError,
    atenant_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import Database

from . import rooms
from .rooms import ROOMS, Chair, Room

here, engine, async_engine = rooms.here, rooms.engine, rooms.async_engine


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
