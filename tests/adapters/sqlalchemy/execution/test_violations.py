"""A reference to another tenant's row is the same error, whoever finds it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import Engine, ForeignKey, MetaData, String, func, insert, literal, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import (
    shared_across_tenants,
    tenant_aware,
    tenant_foreign_key,
)
from tests.databases import Database, database
from tests.drivers import with_driver

from ..watching import database_on_each, rows, with_tables


class Base(DeclarativeBase):
    metadata = MetaData()


@shared_across_tenants
class Land(Base):
    __tablename__ = "vio_land"
    code: Mapped[str] = mapped_column(String(2), primary_key=True)


@tenant_aware
class Client(Base):
    __tablename__ = "vio_client"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))


@tenant_aware
class Bill(Base):
    __tablename__ = "vio_bill"
    __table_args__ = (tenant_foreign_key("client_id", "vio_client.id"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(String(20))
    client_id: Mapped[int]
    land: Mapped[str | None] = mapped_column(ForeignKey("vio_land.code"))


@tenant_aware
class Contract(Base):
    """One for each tenant."""

    __tablename__ = "vio_contract"
    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)


@tenant_aware
class Invoice(Base):
    """Refers to its tenant's contract by the tenant alone."""

    __tablename__ = "vio_invoice"
    __table_args__ = (tenant_foreign_key("client_id", "vio_client.id"),)
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    tenant_id: Mapped[str] = mapped_column(ForeignKey("vio_contract.tenant_id"))
    client_id: Mapped[int]


ROWS = (
    "INSERT INTO vio_client (id, tenant_id) VALUES (1, 'a'), (2, 'b')",
    "INSERT INTO vio_bill (id, tenant_id, client_id) VALUES (10, 'a', 1)",
)


here = database_on_each("module")


@pytest.fixture
def engine(here: Database) -> Iterator[Engine]:
    with with_tables(here, Base.metadata, *ROWS) as engine:
        yield engine


BILLS = "SELECT id, client_id FROM vio_bill ORDER BY id"
TEXT = (
    "a foreign key of vio_bill (client_id) refers to a row of vio_client that this "
    "tenant does not have; refer to one of this tenant's rows"
)


def add(session: Session) -> None:
    session.add(Bill(id=11, client_id=2))
    session.flush()


def add_several(session: Session) -> None:
    session.add_all([Bill(id=11, client_id=1), Bill(id=12, client_id=2)])
    session.flush()


def change(session: Session) -> None:
    bill = session.get(Bill, 10)
    assert bill is not None
    bill.client_id = 2
    session.flush()


WRITES: dict[str, Callable[[Session], Any]] = {
    "a new object": add,
    "several": add_several,
    "a changed object": change,
    "insert": lambda s: s.execute(insert(Bill).values(id=11, client_id=2)),
    "insert of several": lambda s: s.execute(
        insert(Bill), [{"id": 11, "client_id": 1}, {"id": 12, "client_id": 2}]
    ),
    "update": lambda s: s.execute(update(Bill).values(client_id=2)),
    "a row that does not exist": lambda s: s.execute(insert(Bill).values(id=11, client_id=99)),
}


@pytest.mark.parametrize("name", WRITES)
def test_it_is_an_error_of_access(engine: Engine, name: str) -> None:
    with tenant_scope("a"), Session(engine) as session:
        with pytest.raises(CrossTenantAccessError) as caught:
            WRITES[name](session)
        assert str(caught.value) == TEXT
        session.rollback()
        # The session can go on.
        session.execute(insert(Bill).values(id=13, client_id=1))
        session.commit()
    assert rows(engine, BILLS) == [(10, 1), (13, 1)]


@pytest.mark.parametrize("driver", ["psycopg2", "pg8000"])
def test_it_is_the_same_on_other_drivers_of_postgresql(driver: str) -> None:
    with (
        database("postgresql") as here,
        with_tables(replace(here, url=with_driver(here.url, driver)), Base.metadata, *ROWS) as it,
    ):
        for name, write in WRITES.items():
            with tenant_scope("a"), Session(it) as session:
                with pytest.raises(CrossTenantAccessError) as caught:
                    write(session)
                assert str(caught.value) == TEXT, name
        for write in OTHERS.values():
            with tenant_scope("a"), Session(it) as session, pytest.raises(DBAPIError):
                write(session)
        assert rows(it, BILLS) == [(10, 1)]


async def test_it_is_the_same_on_async_drivers(here: Database, engine: Engine) -> None:
    async_engine = here.async_engine()
    with tenant_scope("a"):
        async with AsyncSession(async_engine) as session:
            session.add(Bill(id=11, client_id=2))
            with pytest.raises(CrossTenantAccessError) as caught:
                await session.flush()
    await async_engine.dispose()
    assert str(caught.value) == TEXT
    assert rows(engine, BILLS) == [(10, 1)]


OTHERS: dict[str, Callable[[Session], Any]] = {
    "a foreign key without the tenant": lambda s: s.execute(
        insert(Bill).values(id=11, client_id=1, land="XX")
    ),
    "a key that is taken": lambda s: s.execute(insert(Bill).values(id=10, client_id=1)),
    "NULL": lambda s: s.execute(insert(Bill).values(id=11, client_id=None)),
    "a foreign key that is the tenant": lambda s: s.execute(
        insert(Invoice).from_select(["id", "client_id"], select(literal(1), literal(1)))
    ),
    "a parent that is referred to": lambda s: s.execute(
        update(Client).where(Client.id == 1).values(id=5)
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_violation_stays_what_it_was(engine: Engine, name: str) -> None:
    # Where the database might write 0 instead of NULL, it does not get it.
    writes_0 = name == "NULL" and engine.dialect.name == "mariadb"
    error = CrossTenantAccessError if writes_0 else IntegrityError
    with tenant_scope("a"), Session(engine) as session, pytest.raises(error):
        OTHERS[name](session)


def test_a_system_scope_gets_the_error_of_the_database(engine: Engine) -> None:
    with system_scope("both"), Session(engine) as session, pytest.raises(IntegrityError):
        session.execute(insert(Bill).values(id=11, tenant_id="a", client_id=2))


def test_an_error_of_a_statement_inside_of_another_is_told_too(engine: Engine) -> None:
    # A sequence, a default or a batch of rows is sent by a call of its own.
    with tenant_scope("a"), Session(engine) as session, pytest.raises(DBAPIError):
        session.connection().execute(func.no_such_function())


@pytest.mark.parametrize("columns", [{"id": 3}, {"id": 3, "tenant_id": None}])
def test_a_row_without_a_tenant_in_a_system_scope_is_explained(
    engine: Engine, columns: dict[str, Any]
) -> None:
    with system_scope("test"), Session(engine) as session:
        session.add(Client(**columns))
        with pytest.raises(DBAPIError) as flushed:
            session.flush()
        session.rollback()
        with pytest.raises(DBAPIError) as executed:
            session.execute(insert(Client).values(**columns))
    for error in (flushed, executed):
        (note,) = error.value.__notes__
        assert note.startswith("A system scope names no tenant, so vio_client.tenant_id is not")


def test_another_column_without_a_value_is_left_alone(engine: Engine) -> None:
    with system_scope("test"), Session(engine) as session:
        session.add(Bill(id=3, tenant_id="a"))
        with pytest.raises(DBAPIError) as caught:
            session.flush()
    assert not hasattr(caught.value, "__notes__")
