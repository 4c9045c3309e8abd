"""The adapter's errors are the package's, and SQLAlchemy does not wrap them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Engine, insert, select, text, update
from sqlalchemy.exc import DontWrapMixin, StatementError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, Session, mapped_column

import tenantshield_mw
from tenantshield_mw import (
    ConfigurationError,
    CrossTenantAccessError,
    MissingTenantContextError,
    ScopeMismatchError,
    TenantShieldError,
    UnguardedStatementError,
    atenant_scope,
    tenant_scope,
)
from tenantshield_mw.adapters.sqlalchemy import errors, tenant_aware
from tests.databases import memory_async_engine

from .letters import LETTER, METADATA, Base, Letter


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_is_caught_under_its_public_name(name: str) -> None:
    kind = getattr(errors, name)
    assert issubclass(kind, getattr(tenantshield_mw, name))
    assert issubclass(kind, DontWrapMixin)
    assert kind.__doc__


@tenant_aware(column="org_id")
class Count(Base):
    __tablename__ = "inst_count"
    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[int]


# -- errors ----------------------------------------------------------------------

FAILING: list[tuple[type[TenantShieldError], Any, Any]] = [
    (CrossTenantAccessError, insert(LETTER).values(id=9, tenant_id="globex"), None),
    (CrossTenantAccessError, insert(LETTER), {"id": 9, "tenant_id": "globex"}),
    (CrossTenantAccessError, update(LETTER).values(tenant_id="globex"), None),
    (UnguardedStatementError, text("SELECT * FROM inst_letter"), None),
    (UnguardedStatementError, insert(LETTER).prefix_with("OR REPLACE").values(id=2), None),
    (ConfigurationError, select(Count), None),
]


def assert_itself(error: BaseException, kind: type[TenantShieldError]) -> None:
    assert isinstance(error, kind)
    assert not isinstance(error, StatementError)
    assert type(error).__name__ == kind.__name__
    assert "top secret" not in str(error)
    assert "globex" not in str(error)


@pytest.mark.parametrize(("kind", "statement", "parameters"), FAILING)
def test_errors_reach_the_caller_as_themselves(
    engine: Engine, kind: type[TenantShieldError], statement: Any, parameters: Any
) -> None:
    with tenant_scope("acme"):
        with engine.begin() as connection, pytest.raises(TenantShieldError) as caught:
            connection.execute(statement, parameters)
        assert_itself(caught.value, kind)
        with Session(engine) as session, pytest.raises(TenantShieldError) as caught:
            session.execute(statement, parameters)
        assert_itself(caught.value, kind)


@pytest.mark.parametrize(("kind", "statement", "parameters"), FAILING)
async def test_errors_reach_the_caller_as_themselves_through_async(
    kind: type[TenantShieldError], statement: Any, parameters: Any
) -> None:
    engine = memory_async_engine()
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    async with atenant_scope("acme"):
        async with engine.begin() as connection:
            with pytest.raises(TenantShieldError) as caught:
                await connection.execute(statement, parameters)
            assert_itself(caught.value, kind)
        async with AsyncSession(engine) as session:
            with pytest.raises(TenantShieldError) as caught:
                await session.execute(statement, parameters)
            assert_itself(caught.value, kind)
    await engine.dispose()


async def test_errors_of_a_flush_reach_the_caller_as_themselves_through_async() -> None:
    engine = memory_async_engine()
    async with engine.begin() as connection:
        await connection.run_sync(METADATA.create_all)
    async with AsyncSession(engine) as session:
        session.add(Letter(id=1))
        with pytest.raises(MissingTenantContextError) as missing:
            await session.flush()
        assert_itself(missing.value, MissingTenantContextError)
        await session.rollback()
        async with atenant_scope("acme"):
            session.add(Letter(id=1, tenant_id="globex"))
            with pytest.raises(CrossTenantAccessError) as crossing:
                await session.flush()
            assert_itself(crossing.value, CrossTenantAccessError)
    await engine.dispose()


def test_a_scope_mismatch_reaches_the_caller_as_itself(engine: Engine) -> None:
    with Session(engine) as session:
        with tenant_scope("acme"):
            session.add(Letter(id=9))
        with tenant_scope("globex"), pytest.raises(ScopeMismatchError) as caught:
            session.get(Letter, 1)
        assert_itself(caught.value, ScopeMismatchError)


def test_errors_name_the_table_and_the_operation(engine: Engine) -> None:
    operations: dict[str, Any] = {
        "SELECT": select(Letter),
        "INSERT": insert(Letter).values(id=9),
        "UPDATE": update(LETTER).values(body="x"),
        "DELETE": LETTER.delete(),
    }
    with engine.begin() as connection:
        for operation, statement in operations.items():
            with pytest.raises(MissingTenantContextError, match=f"{operation} on inst_letter"):
                connection.execute(statement)
