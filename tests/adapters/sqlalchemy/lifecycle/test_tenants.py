"""The tenants in the table of a directory."""

from __future__ import annotations

import uuid
from collections.abc import Generator
from typing import Any

import pytest
from sqlalchemy import Engine, Enum, ForeignKey, MetaData, String, join
from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, sessionmaker

from tenantshield_mw import (
    ConfigurationError,
    TenantDirectory,
    TenantNotFoundError,
    TenantState,
    TenantSuspendedError,
)
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenants_in
from tenantshield_mw.adapters.sqlalchemy.lifecycle import tenants as room
from tenantshield_mw.adapters.sqlalchemy.lifecycle.tenants import Tenant, Tenants
from tenantshield_mw.adapters.sqlalchemy.tenants.table import table_of
from tests.databases import NAMES, Database, database


class Base(DeclarativeBase):
    metadata = MetaData()


@shared_across_tenants
class Customer(Base):
    __tablename__ = "life_customer"
    id: Mapped[uuid.UUID] = mapped_column(primary_key=True, default=uuid.uuid4)
    slug: Mapped[str] = mapped_column(String(60), unique=True)
    state: Mapped[str] = mapped_column(String(20))
    open: Mapped[bool | None]
    listed: Mapped[TenantState | None] = mapped_column(Enum(TenantState))
    seats: Mapped[int]


@shared_across_tenants
class Domain(Base):
    __tablename__ = "life_domain"
    host: Mapped[str] = mapped_column(String(60), primary_key=True)
    customer_id: Mapped[uuid.UUID] = mapped_column(ForeignKey("life_customer.id"))


STATES = {
    "active": TenantState.ACTIVE,
    "suspended": TenantState.SUSPENDED,
    "gone": TenantState.UNKNOWN,
}


@pytest.fixture(params=NAMES)
def here(request: pytest.FixtureRequest) -> Generator[Database]:
    with database(request.param) as made:
        engine = made.engine()
        Base.metadata.create_all(engine)
        engine.dispose()
        yield made


def tenants_of(lookup: Any, directory: TenantDirectory | None = None) -> Tenants:
    table = table_of(lookup)
    assert table is not None
    return Tenants(table, directory, None)


def lookup_in(source: Any, **options: Any) -> Any:
    given: dict[str, Any] = {"state": Customer.state, "states": STATES, **options}
    return tenants_in(source, Customer, id=Customer.slug, tenant_id=Customer.id, **given)


def test_a_tenant_is_created_suspended_and_activated(here: Database) -> None:
    engine = here.engine()
    directory = TenantDirectory(lookup_in(engine, attributes=(Customer.seats,)))
    tenants = tenants_of(directory.lookup, directory)
    with pytest.raises(TenantNotFoundError):
        directory.find("acme", blocking=True)
    tenants.create("acme", {"seats": "3"})
    # The directory has forgotten what it knew.
    found: Any = directory.find("acme", blocking=True)
    assert tenants.all() == [Tenant("acme", TenantState.ACTIVE, found.tenant_id, {"seats": 3})]
    assert tenants.change("acme", TenantState.SUSPENDED)
    assert not tenants.change("acme", TenantState.SUSPENDED)
    with pytest.raises(TenantSuspendedError):
        directory.find("acme", blocking=True)
    assert tenants.change("acme", TenantState.ACTIVE)
    assert directory.find("acme", blocking=True) == found


@pytest.mark.parametrize("kind", ["sessionmaker", "async engine", "async sessionmaker"])
def test_whatever_the_lookup_opens_is_used(here: Database, kind: str) -> None:
    source: Any
    if kind == "sessionmaker":
        source = sessionmaker(here.engine())
    else:
        source = here.async_engine()
        if kind == "async sessionmaker":
            source = async_sessionmaker(source)
    tenants = tenants_of(lookup_in(source))
    tenants.create("acme", {"seats": "3"})
    tenants.change("acme", TenantState.SUSPENDED)
    assert [(each.id, each.state) for each in tenants.all()] == [("acme", TenantState.SUSPENDED)]


@pytest.fixture
def engine() -> Generator[Engine]:
    with database("sqlite") as made:
        engine = made.engine()
        Base.metadata.create_all(engine)
        yield engine
        engine.dispose()


@pytest.mark.parametrize(
    ("options", "column", "values"),
    [
        ({}, "state", ("active", "suspended")),
        ({"state": Customer.open, "states": None}, "open", (1, 0)),
        ({"state": Customer.listed, "states": None}, "listed", ("ACTIVE", "SUSPENDED")),
    ],
)
def test_each_kind_of_state_is_written(
    engine: Engine, options: Any, column: str, values: Any
) -> None:
    tenants = tenants_of(lookup_in(engine, **options))
    given = {"seats": "3"} | ({} if column == "state" else {"state": "x"})
    tenants.create("acme", given)
    assert read(engine, column) == values[0]
    tenants.change("acme", TenantState.SUSPENDED)
    assert read(engine, column) == values[1]


def read(engine: Engine, column: str) -> Any:
    with engine.connect() as connection:
        return connection.exec_driver_sql(f"SELECT {column} FROM life_customer").scalar()


def test_a_state_without_a_value_of_its_own_must_be_named(engine: Engine) -> None:
    states = {"active": TenantState.ACTIVE, "trial": TenantState.ACTIVE}
    tenants = tenants_of(lookup_in(engine, states=states))
    with pytest.raises(ConfigurationError, match="several values mean active: name one by --state"):
        tenants.create("acme", {"seats": "3"})
    tenants.create("acme", {"seats": "3"}, "trial")
    with pytest.raises(ConfigurationError, match="list no value that means suspended"):
        tenants.change("acme", TenantState.SUSPENDED)
    with pytest.raises(ConfigurationError, match="'active' does not mean suspended"):
        tenants.change("acme", TenantState.SUSPENDED, "active")
    tenants.change("acme", TenantState.SUSPENDED, "unpaid")
    assert read(engine, "state") == "unpaid"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "needs values for seats: --set seats=..."),
        ({"seats": "many"}, r"the value for life_customer\.seats is no int"),
        ({"seats": "3", "colour": "red"}, "life_customer has no column 'colour'"),
        ({"seats": "3", "id": "x"}, "is no UUID"),
    ],
)
def test_what_is_missing_or_wrong_is_said(engine: Engine, given: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        tenants_of(lookup_in(engine)).create("acme", given)
    assert read(engine, "count(*)") == 0


def test_a_tenant_is_there_once_and_compared_exactly(engine: Engine) -> None:
    tenants = tenants_of(lookup_in(engine))
    tenants.create("acme", {"seats": "3"})
    with pytest.raises(ConfigurationError, match="there is a tenant with this id"):
        tenants.create("acme", {"seats": "3"})
    for other in ("Acme", "globex"):
        with pytest.raises(ConfigurationError, match="there is no tenant with this id"):
            tenants.change(other, TenantState.SUSPENDED)


def test_two_tables_are_read_and_the_state_is_written(engine: Engine) -> None:
    tenants_of(lookup_in(engine)).create("acme", {"seats": "3"})
    key = read(engine, "id")
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO life_domain VALUES ('acme.test', ?)", (key,))
    lookup = tenants_in(
        engine, join(Domain, Customer), id=Domain.host, state=Customer.state, states=STATES
    )
    tenants = tenants_of(lookup)
    assert [each.id for each in tenants.all()] == ["acme.test"]
    assert tenants.change("acme.test", TenantState.SUSPENDED)
    assert read(engine, "state") == "suspended"
    with pytest.raises(ConfigurationError, match="are in different tables"):
        tenants.create("globex.test", {})


def test_an_expression_is_read_but_not_written(engine: Engine) -> None:
    tenants_of(lookup_in(engine)).create("acme", {"seats": "3"})
    tenants = tenants_of(lookup_in(engine, state=Customer.seats > 1, states=None))
    assert [each.state for each in tenants.all()] == [TenantState.ACTIVE]
    with pytest.raises(ConfigurationError, match=r"state= of tenants_in\(\) is an expression"):
        tenants.change("acme", TenantState.SUSPENDED)


directory = TenantDirectory(lambda tenant_id: None)


def test_another_lookup_has_no_table() -> None:
    with pytest.raises(ConfigurationError, match="is no directory with a table of tenants"):
        room.tenants_at(f"{__name__}:directory")
