"""A session goes on in another scope: what is the new scope's stays, and nothing is lost."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import Engine, func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import (
    Session,
    selectinload,
)

from tenantshield_mw import (
    ScopeMismatchError,
    system_scope,
    tenant_scope,
)
from tests.databases import Database

from ...watching import sent
from .models import Company, File, Folder, Order, User, names

# -- the user is looked up first ---------------------------------------------------------------


def test_a_user_of_a_system_scope_is_changed_in_its_tenants(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            user = session.get_one(User, 1)
        with tenant_scope(user.tenant_id), sent(engine) as statements:
            assert session.scalars(select(User.name)).all() == ["ann"]
            assert session.get(User, 1) is user
            assert [order.id for order in user.orders] == [11]
            user.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]
    kinds = [each.split()[0] for each in statements if "set_config" not in each]
    assert kinds == ["SELECT", "SELECT", "UPDATE"]


def test_loaded_collections_move_with_their_objects(here: Database, engine: Engine) -> None:
    everything = select(User).options(selectinload(User.orders).selectinload(Order.lines))
    with Session(engine) as session:
        with system_scope("look"):
            ann, bob = session.scalars(everything.order_by(User.id)).all()
        with tenant_scope("a"):
            assert session.get(User, 1) is ann
            assert [order.id for order in ann.orders] == [11]
            ann.orders[0].lines[0].text = "changed"
            with pytest.raises(ScopeMismatchError):
                bob.orders[0].user_id = 1
            session.commit()
        with tenant_scope("b"):
            assert [user.id for user in session.scalars(everything)] == [2]
    assert here.read("SELECT text FROM move_line ORDER BY id") == [("changed",), ("lb",)]


@pytest.mark.parametrize("loads_back", [True, False])
def test_an_object_stays_though_what_refers_to_it_leaves(
    here: Database, engine: Engine, loads_back: bool
) -> None:
    here.run(
        "INSERT INTO move_folder VALUES (31, 1)",
        "INSERT INTO move_file VALUES (41, 'a', 31, 'old')",
    )
    with Session(engine) as session:
        with system_scope("look"):
            file = session.get_one(File, 41)
            folder = session.get_one(Folder, 31)
            assert folder.files == [file]
            if loads_back:
                assert file.folder is folder
        with tenant_scope("a"):
            session.get(User, 1)
            file.name = "new"
            assert file.folder.id == 31
            session.commit()
    assert here.read("SELECT name FROM move_file") == [("new",)]


def test_a_question_in_between_loses_nothing(here: Database, engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        user = session.get_one(User, 1)
        with system_scope("is the name taken"):
            assert session.scalar(select(func.count(User.id))) == 2
        user.name = "changed"
        session.commit()
    assert names(here) == ["changed", "bob"]


def test_pending_work_is_flushed_in_its_own_scope(here: Database, engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        session.get_one(User, 1).name = "changed"
        session.add(User(id=3, name="new"))
        with system_scope("is the name taken"):
            assert session.scalar(select(func.count(User.id))) == 3
        session.commit()
    assert here.read("SELECT tenant_id, name FROM move_user ORDER BY id") == [
        ("a", "changed"),
        ("b", "bob"),
        ("a", "new"),
    ]


def test_a_change_before_the_first_query_of_the_scope_is_written(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        with system_scope("login"):
            user = session.get_one(User, 1)
        with tenant_scope("a"):
            user.name = "changed"
            session.commit()
    assert names(here) == ["changed", "bob"]


def test_a_new_tenant_is_written_together_with_its_first_rows(
    here: Database, engine: Engine
) -> None:
    with Session(engine) as session:
        company = Company(id="c", name="C")
        session.add(company)
        session.flush()
        with tenant_scope(company.id):
            session.add(User(id=3, name="cid"))
            session.flush()
            company.name = "renamed"
            assert [user.name for user in session.scalars(select(User))] == ["cid"]
            session.commit()
    assert here.read("SELECT id, name FROM move_company ORDER BY id") == [
        ("a", "A"),
        ("b", "B"),
        ("c", "renamed"),
    ]
    assert here.read("SELECT tenant_id FROM move_user WHERE id = 3") == [("c",)]


def test_one_session_visits_all_tenants(here: Database, engine: Engine) -> None:
    with Session(engine) as session:
        found = []
        for tenant in ("a", "b", "a"):
            with tenant_scope(tenant):
                (user,) = session.scalars(select(User)).all()
                user.name += "!"
                session.flush()
                found.append(user)
        assert [user.tenant_id for user in found] == ["a", "b", "a"]
        with tenant_scope("a"):
            session.commit()
    assert names(here) == ["ann!!", "bob!"]


def test_an_outer_transaction_holds_tests_with_several_tenants(
    here: Database, engine: Engine
) -> None:
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            for tenant in ("a", "b"):
                with tenant_scope(tenant):
                    session.add(User(id=7 if tenant == "a" else 8, name=tenant))
                    session.commit()
                    assert len(session.scalars(select(User)).all()) == 2
                    session.add(User(id=9, name="undone"))
                    session.flush()
                    session.rollback()
                    assert len(session.scalars(select(User)).all()) == 2
        outer.rollback()
    assert names(here) == ["ann", "bob"]


def test_a_savepoint_that_is_undone_takes_no_scope_along(engine: Engine) -> None:
    with Session(engine) as session, tenant_scope("a"):
        assert len(session.scalars(select(User)).all()) == 1
        savepoint = session.begin_nested()
        with tenant_scope("b"):
            assert [user.name for user in session.scalars(select(User))] == ["bob"]
            savepoint.rollback()
            assert [user.name for user in session.scalars(select(User))] == ["bob"]
        assert [user.name for user in session.scalars(select(User))] == ["ann"]


# -- the same with AsyncSession ----------------------------------------------------------------


Program = Callable[[AsyncSession], Awaitable[Any]]


async def _login(session: AsyncSession) -> None:
    with system_scope("login"):
        user = await session.get_one(User, 1)
    with tenant_scope(user.tenant_id):
        assert (await session.scalars(select(User.name))).all() == ["ann"]
        user.name = "changed"
        await session.commit()


async def _question(session: AsyncSession) -> None:
    with tenant_scope("a"):
        user = await session.get_one(User, 1)
        user.name = "changed"
        with system_scope("is the name taken"):
            assert await session.scalar(select(func.count(User.id))) == 2
        await session.commit()


async def _loop(session: AsyncSession) -> None:
    for tenant in ("a", "b"):
        with tenant_scope(tenant):
            (user,) = (await session.scalars(select(User))).all()
            if tenant == "a":
                user.name = "changed"
            await session.flush()
    with tenant_scope("b"):
        await session.commit()


@pytest.mark.parametrize("program", [_login, _question, _loop])
async def test_an_async_session_goes_on_in_another_scope(here: Database, program: Program) -> None:
    engine = here.async_engine()
    try:
        async with AsyncSession(engine) as session:
            await program(session)
    finally:
        await engine.dispose()
    assert names(here) == ["changed", "bob"]
