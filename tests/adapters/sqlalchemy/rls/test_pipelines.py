"""psycopg's pipeline mode, in which statements are sent before earlier ones are answered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import insert, text
from sqlalchemy.engine import Connection

from tenantshield_mw import ConfigurationError, system_scope, tenant_scope

from .conftest import Client, Read, RlsDatabase
from .models import Cellar, Label

ONE = text("SELECT 1")
REFUSED = r"pipeline mode is on.*before pipeline\(\)"


@pytest.fixture
def client(base: RlsDatabase, rows: None) -> Iterator[Client]:
    made = Client(base, "psycopg", pool_size=1, max_overflow=0)
    yield made
    made.close()


def pipeline(connection: Connection) -> Any:
    return connection.connection.driver_connection.pipeline()  # type: ignore[union-attr]


def names(connection: Connection) -> list[Any]:
    cursor = connection.connection.cursor()
    cursor.execute('SELECT name FROM "floor Cellar"')
    return [name for (name,) in cursor.fetchall()]


def test_a_transaction_does_not_begin_in_it(client: Client) -> None:
    with tenant_scope("acme"), client.engine.connect() as connection:
        with pytest.raises(ConfigurationError, match=REFUSED), pipeline(connection):
            connection.execute(ONE)
        with pytest.raises(ConfigurationError, match=REFUSED), pipeline(connection):
            connection.begin()
        # Afterwards it does.
        connection.execute(ONE)
        assert names(connection) == ["acme"]


def test_nor_is_a_signed_tenant_told_in_it(base: RlsDatabase, rows: None) -> None:
    client = Client(base, "psycopg", key=b"k" * 32)
    with (
        tenant_scope("acme"),
        client.engine.connect() as connection,
        pytest.raises(ConfigurationError, match=REFUSED),
        pipeline(connection),
    ):
        connection.execute(ONE)
    client.close()


def test_the_next_transaction_does_not_begin_in_it_either(client: Client) -> None:
    with tenant_scope("acme"), client.engine.connect() as connection:
        connection.execute(ONE)
        with pipeline(connection):
            connection.rollback()
            with pytest.raises(ConfigurationError, match=REFUSED):
                connection.execute(ONE)
        assert names(connection) == []


@pytest.mark.parametrize("other", ["globex", None])
def test_the_scope_does_not_change_in_it(client: Client, other: str | None) -> None:
    with tenant_scope("acme"), client.engine.connect() as connection:
        connection.execute(ONE)
        scope: Any = system_scope("to see all") if other is None else tenant_scope(other)
        with pytest.raises(ConfigurationError, match=REFUSED), pipeline(connection), scope:
            connection.execute(ONE)
        connection.rollback()
        with tenant_scope("globex"):
            connection.execute(ONE)
            assert names(connection) == ["globex"]


def test_a_transaction_that_has_begun_may_go_on_in_it(client: Client, everything: Read) -> None:
    with tenant_scope("acme"), client.engine.connect() as connection:
        connection.execute(ONE)
        with pipeline(connection):
            assert names(connection) == ["acme"]
            connection.execute(insert(Cellar), [{"id": 8, "name": "new"}, {"id": 9, "name": "too"}])
        connection.commit()
    sql = 'SELECT "Tenant Id" FROM "floor Cellar" WHERE id > 7'
    assert everything(sql) == [("acme",), ("acme",)]


def test_a_foreign_key_that_cannot_be_looked_up_in_it_is_refused(
    client: Client, everything: Read
) -> None:
    with tenant_scope("acme"), client.engine.connect() as connection:
        connection.execute(ONE)
        with pytest.raises(ConfigurationError, match="cannot be looked up"), pipeline(connection):
            connection.execute(insert(Label).values(id=9, cellar_id=1))
        connection.execute(insert(Label).values(id=9, cellar_id=1))
        connection.commit()
    assert everything("SELECT tenant_id FROM floor_label WHERE id = 9") == [("acme",)]


def test_it_is_refused_by_an_async_engine_as_well(base: RlsDatabase, rows: None) -> None:
    client = Client(base, "psycopg_async")
    engine: Any = client.async_engine

    async def use() -> None:
        with tenant_scope("acme"):
            async with engine.connect() as connection:
                raw = await connection.get_raw_connection()
                with pytest.raises(ConfigurationError, match=REFUSED):
                    async with raw.driver_connection.pipeline():
                        await connection.execute(ONE)
                assert (await connection.execute(ONE)).scalar() == 1

    client._runner.run(use())
    client.close()
