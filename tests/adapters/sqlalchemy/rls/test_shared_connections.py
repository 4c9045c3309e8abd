"""A transaction that tasks or threads share: what one has told the database is not another's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import copy_context
from typing import Any

import pytest
from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession

from tenantshield_mw import ScopeMismatchError, tenant_scope

from ..pausing import beside, beside_async
from .conftest import ASYNC, Client, RlsDatabase
from .models import Cellar

NAMES = text('SELECT name FROM "floor Cellar"').execution_options(tenantshield_reviewed=True)
"""What the policies alone confine."""


@pytest.fixture(params=ASYNC)
def client(base: RlsDatabase, rows: None, request: pytest.FixtureRequest) -> Iterator[Client]:
    made = Client(base, request.param)
    yield made
    made.close()


@pytest.fixture
def sync(base: RlsDatabase, rows: None) -> Iterator[Client]:
    made = Client(base, "psycopg")
    yield made
    made.close()


def test_a_transaction_of_one_scope_is_told_the_next_one(client: Client) -> None:
    engine: Any = client.async_engine

    async def use() -> None:
        async with engine.connect() as connection:
            with tenant_scope("acme"):
                await connection.begin()
            for tenant in ("globex", "acme", "globex"):
                with tenant_scope(tenant):
                    assert (await connection.scalars(NAMES)).all() == [tenant]

    client._runner.run(use())


def test_a_task_does_not_tell_the_database_another_tenant_meanwhile(client: Client) -> None:
    engine: Any = client.async_engine

    async def use() -> None:
        async with engine.connect() as connection:

            async def read(tenant: str) -> Any:
                with tenant_scope(tenant):
                    return (await connection.scalars(NAMES)).all()

            found, refused = await beside_async(
                engine, "before_cursor_execute", lambda: read("acme"), lambda: read("globex")
            )
            assert found == ["acme"]
            assert isinstance(refused, ScopeMismatchError)
            assert await read("globex") == ["globex"]

    client._runner.run(use())


def test_a_task_does_not_do_so_by_the_connection_of_its_session(client: Client) -> None:
    engine: Any = client.async_engine

    async def use() -> None:
        async with AsyncSession(engine) as session:
            with tenant_scope("acme"):
                await session.connection()

            async def read() -> Any:
                with tenant_scope("acme"):
                    return (await session.scalars(NAMES)).all()

            async def connect() -> Any:
                with tenant_scope("globex"):
                    return await session.connection()

            found, refused = await beside_async(engine, "before_cursor_execute", read, connect)
            assert found == ["acme"]
            assert isinstance(refused, ScopeMismatchError)
            with tenant_scope("globex"):
                assert (await session.scalars(select(Cellar.name))).all() == ["globex"]

    client._runner.run(use())


def test_a_thread_does_not_tell_the_database_another_tenant_meanwhile(sync: Client) -> None:
    with sync.engine.connect() as connection:

        def read(tenant: str) -> Any:
            with tenant_scope(tenant):
                return connection.scalars(NAMES).all()

        found, refused = beside(
            sync.engine, "before_cursor_execute", lambda: read("acme"), lambda: read("globex")
        )
        assert found == ["acme"]
        assert isinstance(refused, ScopeMismatchError)
        assert read("globex") == ["globex"]


def test_nor_by_beginning_the_transaction(sync: Client) -> None:
    begins, may_go_on = threading.Event(), threading.Event()
    dialect: Any = sync.engine.dialect
    do_begin = dialect.do_begin

    def slow(connection: Any) -> None:
        begins.set()
        may_go_on.wait(30)
        do_begin(connection)

    dialect.do_begin = slow
    with sync.engine.connect() as connection:

        def begin() -> None:
            with tenant_scope("acme"):
                connection.begin()

        thread = threading.Thread(target=copy_context().run, args=(begin,))
        thread.start()
        begins.wait(30)
        with tenant_scope("globex"), pytest.raises(ScopeMismatchError, match="another task"):
            connection.scalars(NAMES)
        may_go_on.set()
        thread.join()
        with tenant_scope("globex"):
            assert connection.scalars(NAMES).all() == ["globex"]
