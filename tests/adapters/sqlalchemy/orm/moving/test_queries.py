"""A session that goes on in another scope sends what it would send without the guard.

Each program runs twice: as it is written, and without scopes on tables that nothing confines.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session, selectinload

from tenantshield_mw import system_scope, tenant_scope
from tests.databases import Database

from ...watching import sent, with_tables
from . import models
from .bare import bare

Scope = Callable[[str], AbstractContextManager[Any]]
Program = Callable[[Session, Any, Scope, Scope], Any]


def _own(m: Any, tenant: str) -> Any:
    return select(m.User).where(m.User.tenant_id == tenant)


def log_in(session: Session, m: Any, tenant: Scope, system: Scope) -> None:
    with system("log-in"):
        user = session.scalars(select(m.User).where(m.User.name == "ann")).one()
    with tenant(user.tenant_id):
        assert [order.id for order in user.orders] == [11]
        assert user.plan is not None
        user.name = "changed"
        session.commit()
        assert user.name == "changed"


def log_in_with_options(session: Session, m: Any, tenant: Scope, system: Scope) -> None:
    with system("log-in"):
        found = _own(m, "a").options(selectinload(m.User.orders).selectinload(m.Order.lines))
        user = session.scalars(found).one()
    with tenant(user.tenant_id):
        for order in user.orders:
            for line in order.lines:
                line.text = "changed"
        session.commit()


def sign_up(session: Session, m: Any, tenant: Scope, system: Scope) -> None:
    company = m.Company(id="c", name="C")
    session.add(company)
    session.flush()
    with tenant("c"):
        user = m.User(id=3, tenant_id="c", name="cid")
        session.add(user)
        session.flush()
        user.orders.append(m.Order(id=13, tenant_id="c"))
        company.name = "renamed"
        session.commit()
        assert user.name == "cid"


def loop_over_tenants(session: Session, m: Any, tenant: Scope, system: Scope) -> None:
    for each in ("a", "b"):
        with tenant(each):
            for user in session.scalars(_own(m, each)):
                user.name += "!"
                assert len(user.orders) == 1
            session.flush()
    with tenant("b"):
        session.commit()


def administrator_and_back(session: Session, m: Any, tenant: Scope, system: Scope) -> None:
    with tenant("a"):
        user = session.get_one(m.User, 1)
        assert len(user.orders) == 1
        with system("all users"):
            assert session.scalars(select(m.User.name).order_by(m.User.id)).all() == ["ann", "bob"]
        user.name = "changed"
        assert session.get_one(m.User, 1).orders[0].id == 11
        session.commit()


def after_the_scope(session: Session, m: Any, tenant: Scope, system: Scope) -> None:
    with tenant("a"):
        user = session.scalars(_own(m, "a").options(selectinload(m.User.orders))).one()
    assert user.name == "ann"
    assert [order.id for order in user.orders] == [11]
    with tenant("a"):
        user.name = "changed"
        session.commit()


def shared_objects(session: Session, m: Any, tenant: Scope, system: Scope) -> None:
    with tenant("a"):
        plan = session.get_one(m.Plan, 1)
    with tenant("b"):
        assert session.scalars(_own(m, "b")).one().plan is plan
        plan.name = "changed"
        session.commit()


PROGRAMS: Final[list[Program]] = [
    log_in,
    log_in_with_options,
    sign_up,
    loop_over_tenants,
    administrator_and_back,
    after_the_scope,
    shared_objects,
]


def _content(here: Database, m: Any) -> list[Any]:
    return [here.read(f"SELECT * FROM {each} ORDER BY id") for each in m.Base.metadata.tables]


def _none(_: str) -> AbstractContextManager[Any]:
    return nullcontext()


@contextmanager
def _bare_tables(here: Database) -> Generator[Engine, None, None]:
    # The application's role may create nothing.
    owner = Database(here.name, here.url, here.async_url, here._connect)
    with with_tables(owner, bare.Base.metadata, *bare.SEED) as engine:
        yield engine


@contextmanager
def _undone(engine: Engine) -> Generator[Session, None, None]:
    """Yield a session as test suites have it: its commits end savepoints."""
    with engine.connect() as connection, connection.begin() as outer:
        with Session(connection, join_transaction_mode="create_savepoint") as session:
            yield session
        outer.rollback()


def _kinds(statements: list[str]) -> list[str]:
    """Return the first words; the setting for the policies is no query of the program's."""
    return [each.split()[0] for each in statements if "set_config" not in each]


def _assert_bare_sends_the_same(
    here: Database,
    program: Program,
    guarded: list[str],
    session_on: Callable[[Engine], AbstractContextManager[Session]] = Session,
) -> None:
    with _bare_tables(here) as plain:
        with sent(plain) as statements, session_on(plain) as session:
            program(session, bare, _none, _none)
        assert _kinds(guarded) == _kinds(statements)
        assert _content(here, models) == _content(here, bare)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("session_on", [Session, _undone])
def test_a_scope_costs_no_query(
    here: Database,
    engine: Engine,
    program: Program,
    session_on: Callable[[Engine], AbstractContextManager[Session]],
) -> None:
    with sent(engine) as guarded, session_on(engine) as session:
        program(session, models, tenant_scope, system_scope)
    _assert_bare_sends_the_same(here, program, guarded, session_on)


@pytest.mark.parametrize("program", PROGRAMS)
async def test_nor_with_an_async_session(here: Database, program: Program) -> None:
    engine = here.async_engine()
    try:
        with sent(engine) as guarded:
            async with AsyncSession(engine) as asynchronous:
                await asynchronous.run_sync(program, models, tenant_scope, system_scope)
    finally:
        await engine.dispose()
    _assert_bare_sends_the_same(here, program, guarded)
