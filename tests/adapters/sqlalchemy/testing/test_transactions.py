"""An outer transaction is rolled back, whatever the code under test commits."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import StaticPool, create_engine, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from tenantshield_mw import tenant_scope
from tenantshield_mw.adapters.sqlalchemy.testing import (
    async_outer_transaction,
    outer_transaction,
)
from tests.adapters.sqlalchemy.prove.tables import Base, Firm
from tests.databases import NAMES, Database, database


@pytest.fixture(params=NAMES)
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database(request.param) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        engine.dispose()
        yield here


def test_commits_are_undone(db: Database) -> None:
    # Not the fixture's own engine, which begins SQLite's transactions itself.
    engine = create_engine(db.url)
    for _ in range(2):
        with outer_transaction(engine) as connection, tenant_scope("acme"):
            session = Session(connection, join_transaction_mode="create_savepoint")
            session.add(Firm(id="acme", name="a"))
            session.commit()
            session.add(Firm(id="acme", name="b"))
            session.rollback()
            assert session.scalars(select(Firm.name)).all() == ["a"]
            session.close()
    assert db.read("SELECT * FROM prove_firm") == []
    engine.dispose()


def test_an_error_undoes_it_too(db: Database) -> None:
    engine = db.engine()
    with pytest.raises(DBAPIError), outer_transaction(engine) as connection:
        connection.execute(text("SELECT nothing"))
    assert db.read("SELECT * FROM prove_firm") == []
    engine.dispose()


async def test_async_commits_are_undone(db: Database) -> None:
    from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

    engine = create_async_engine(db.async_url)
    for _ in range(2):
        async with async_outer_transaction(engine) as connection:
            with tenant_scope("acme"):
                async with AsyncSession(
                    connection, join_transaction_mode="create_savepoint"
                ) as session:
                    session.add(Firm(id="acme", name="a"))
                    await session.commit()
                    assert (await session.scalars(select(Firm.name))).all() == ["a"]
    assert db.read("SELECT * FROM prove_firm") == []
    await engine.dispose()


def test_sqlites_driver_is_as_before() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with engine.connect() as connection:
        before = connection.connection.dbapi_connection.isolation_level  # type: ignore[union-attr]
    with outer_transaction(engine):
        pass
    with engine.connect() as connection:
        assert connection.connection.dbapi_connection.isolation_level == before  # type: ignore[union-attr]
    engine.dispose()
