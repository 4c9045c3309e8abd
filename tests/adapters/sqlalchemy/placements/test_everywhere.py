"""Tenants in shared tables, schemas and databases at once: each finds its own rows, and only there.

What a tenant with a place of its own sees and does is the same as in shared tables.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Engine, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import (
    AsyncEngine,
    AsyncSession,
    async_scoped_session,
    async_sessionmaker,
)
from sqlalchemy.orm import Session, scoped_session, selectinload, sessionmaker

from tenantshield_mw import (
    CrossTenantAccessError,
    MissingTenantContextError,
    UnguardedStatementError,
    atenant_scope,
    system_scope,
    tenant_scope,
)
from tests.databases import Database

from .homes import TENANTS, Base, Colour, Homes, Lamp, Shelf, engine_of_homes, on_each_place

made, homes = on_each_place()
engine = engine_of_homes()


# -- what a program does, of whose results only ids and counts depend on the tenant ---------


def story(session: Session, number: int) -> list[Any]:
    """Read and write in many ways; ``number`` is where the tenant's ids begin."""
    found: list[Any] = []
    session.add(Shelf(id=number + 1, name="a", lamps=[Lamp(id=number + 1, colour_id=1)]))
    session.commit()
    session.add_all(Shelf(id=number + each, name="b") for each in (2, 3))
    session.flush()
    session.add(Lamp(id=number + 2, shelf_id=number + 2))
    session.execute(insert(Shelf), [{"id": number + each, "name": "c"} for each in (4, 5)])
    session.commit()
    with session.begin_nested():
        session.add(Shelf(id=number + 6))
    savepoint = session.begin_nested()
    session.add(Shelf(id=number + 7))
    session.flush()
    savepoint.rollback()
    table: Any = Shelf.__table__
    found.append(session.execute(select(func.count()).select_from(table)).scalar_one())
    found.append(session.execute(update(table).where(table.c.name == "c").values(name="d")))
    found.append(session.execute(delete(Shelf).where(Shelf.id == number + 5)))
    session.bulk_insert_mappings(Shelf.__mapper__, [{"id": number + 8, "name": "e"}])
    session.commit()
    query = select(Shelf).options(selectinload(Shelf.lamps)).order_by(Shelf.id)
    found += [(each.id - number, each.name, len(each.lamps)) for each in session.scalars(query)]
    found.append(session.get(Shelf, number + 1).name)  # type: ignore[union-attr]
    found.append(session.get(Shelf, number + 1001))
    session.add(Lamp(id=number + 9, shelf_id=number + 1001))
    with pytest.raises(CrossTenantAccessError):
        session.commit()
    session.rollback()
    with pytest.raises(UnguardedStatementError):
        session.execute(text("SELECT * FROM home_shelf"))
    found.append([each.name for each in session.scalars(select(Colour))])
    found.append(session.connection().execute(select(func.count(Lamp.id))).scalar_one())
    return [getattr(each, "rowcount", each) for each in found]


def numbers() -> dict[str, int]:
    return {tenant: 1000 * position for position, tenant in enumerate(TENANTS, start=1)}


@pytest.fixture
def as_shared(homes: Homes) -> list[Any]:
    """What the same does in shared tables alone, without placements."""
    engine = homes.here.engine()
    with Session(engine) as session, tenant_scope("initech"):
        if homes.has_schemas:
            session.connection().exec_driver_sql("SET search_path = public, common")
        expected = story(session, 500_000)
        session.execute(delete(Lamp))
        session.execute(delete(Shelf))
        session.commit()
    engine.dispose()
    return expected


SYNC: dict[str, Callable[[Engine], Any]] = {
    "Session": Session,
    "sessionmaker": lambda engine: sessionmaker(engine)(),
    "without autoflush": lambda engine: Session(engine, autoflush=False),
    "without expiry": lambda engine: Session(engine, expire_on_commit=False),
    "scoped_session": lambda engine: scoped_session(sessionmaker(engine)),
    "bound by class": lambda engine: Session(engine, binds={Base: engine}),
    "in two phases": lambda engine: Session(engine, twophase=True),
    "bound to a connection": lambda engine: Session(engine.connect()),
    "with options": lambda engine: Session(engine.execution_options(stream_results=False)),
}


@pytest.mark.parametrize("kind", SYNC)
def test_each_kind_of_session_finds_the_place_of_its_tenant(
    homes: Homes, engine: Engine, as_shared: list[Any], kind: str
) -> None:
    if kind == "in two phases" and homes.here.name != "mariadb":
        pytest.skip("SQLite has no transactions in two phases, and PostgreSQL none by default")
    for tenant, number in numbers().items():
        with tenant_scope(homes.tenant(tenant)):
            session = SYNC[kind](engine)
            found = story(session, number)
            session.close()
            if kind == "bound to a connection":
                session.bind.close()
        assert found == as_shared
    _check_rows(homes)


def _check_rows(homes: Homes) -> None:
    assert homes.owners() == {
        homes.places["acme"]: {"acme", "initech"},
        homes.places["globex"]: {"globex"},
        homes.places["umbrella"]: {"umbrella"},
    }
    for tenant, number in numbers().items():
        own = [row[0] - number for row in homes.rows(tenant, "home_shelf") if row[1] == tenant]
        assert own == [1, 2, 3, 4, 6, 8]


ASYNC: dict[str, Callable[[AsyncEngine], Any]] = {
    "AsyncSession": AsyncSession,
    "async_sessionmaker": lambda engine: async_sessionmaker(engine)(),
    "async_scoped_session": lambda engine: async_scoped_session(
        async_sessionmaker(engine), asyncio.current_task
    ),
}


@pytest.mark.parametrize("kind", ASYNC)
async def test_each_kind_of_async_session_finds_the_place_of_its_tenant(
    homes: Homes, as_shared: list[Any], kind: str
) -> None:
    engine = homes.here.async_engine()
    placements = homes.placed(engine)

    async def live(tenant: str, number: int) -> list[Any]:
        async with atenant_scope(homes.tenant(tenant)):
            session = ASYNC[kind](engine)
            own = session() if kind == "async_scoped_session" else session
            found: list[Any] = await own.run_sync(story, number)
            await session.close()
            return found

    # SQLite locks the whole file, and MariaDB rows of others on the way to those that it changes.
    if homes.here.name != "postgresql":
        found = [await live(*each) for each in numbers().items()]
    else:
        found = await asyncio.gather(*(live(*each) for each in numbers().items()))
    await placements.adispose()
    await engine.dispose()
    assert found == [as_shared] * len(TENANTS)
    _check_rows(homes)


def test_core_statements_find_the_place_of_their_tenant(homes: Homes, engine: Engine) -> None:
    table: Any = Shelf.__table__
    for tenant, number in numbers().items():
        with tenant_scope(homes.tenant(tenant)):
            with engine.begin() as connection:
                connection.execute(insert(table), [{"id": number + each} for each in (1, 2)])
            with engine.connect() as connection:
                rows = connection.execute(select(table.c.id).order_by(table.c.id)).scalars()
                assert list(rows) == [number + 1, number + 2]
    assert homes.rows("globex", "home_shelf") == [(3001, "globex", None), (3002, "globex", None)]
    assert homes.rows("umbrella", "home_shelf") == [
        (4001, "umbrella", None),
        (4002, "umbrella", None),
    ]


def test_flask_sqlalchemys_session_finds_the_place_of_its_tenant(
    homes: Homes, as_shared: list[Any]
) -> None:
    flask = pytest.importorskip("flask")
    extension = pytest.importorskip("flask_sqlalchemy")
    app = flask.Flask("placements")
    app.config["SQLALCHEMY_DATABASE_URI"] = homes.here.url
    db = extension.SQLAlchemy(app)
    if homes.here.name == "postgresql" and not _is_plain(homes.here):
        pytest.skip("the URL is that of an administrator here, to whom no policy applies")
    with app.app_context():
        placements = homes.placed(db.engine)
        for tenant, number in numbers().items():
            with tenant_scope(homes.tenant(tenant)):
                assert story(db.session, number) == as_shared
            db.session.remove()
        placements.dispose()
        db.engine.dispose()
    _check_rows(homes)


def _is_plain(here: Database) -> bool:
    return type(here) is Database


def test_without_a_scope_no_place_has_rows(homes: Homes, engine: Engine) -> None:
    with Session(engine) as session:
        with pytest.raises(MissingTenantContextError):
            session.scalars(select(Shelf))
        assert [each.name for each in session.scalars(select(Colour))] == ["red"]


def test_a_system_scope_sees_the_place_that_it_names(homes: Homes, engine: Engine) -> None:
    for tenant, number in numbers().items():
        with tenant_scope(homes.tenant(tenant)), Session(engine) as session:
            session.add(Shelf(id=number))
            session.commit()
    for place, tenants in homes.owners().items():
        with system_scope("a look", at=place), Session(engine) as session:
            assert set(session.scalars(select(Shelf.tenant_id))) == tenants
