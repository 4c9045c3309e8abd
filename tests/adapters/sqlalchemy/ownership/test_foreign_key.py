"""Composite foreign keys that include the tenant."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship
from sqlalchemy.schema import CreateTable

from tenantshield_mw import ConfigurationError, CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware, tenant_foreign_key
from tests.databases import NAMES, DatabaseName, database, memory_engine, require

from ..schemas import tenant_table
from ..watching import fill, rows, sent
from .declaring import LetsIn


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Client(Base):
    __tablename__ = "keys_client"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    bills: Mapped[list[Bill]] = relationship(back_populates="client", overlaps="tenant_id")


@tenant_aware
class Bill(Base):
    __tablename__ = "keys_bill"
    __table_args__ = (tenant_foreign_key("client_id", "keys_client.id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(50))
    client_id: Mapped[int | None]
    client: Mapped[Client | None] = relationship(back_populates="bills", overlaps="tenant_id")


CLIENT, BILL = Base.metadata.tables["keys_client"], Base.metadata.tables["keys_bill"]
SEED = "INSERT INTO keys_client (id, tenant_id) VALUES (1, 'acme'), (2, 'globex')"


@pytest.fixture
def engine() -> Engine:
    engine = memory_engine()
    Base.metadata.create_all(engine)
    fill(engine, SEED)
    return engine


def uniques(table: Table) -> list[set[str]]:
    return [
        {column.key for column in each.columns}
        for each in table.constraints
        if isinstance(each, UniqueConstraint)
    ]


def pair(
    metadata: MetaData, prefix: str, /, *constraints: Any, **options: Any
) -> tuple[Table, Table]:
    parent = tenant_table(f"{prefix}_parent", metadata, *constraints)
    child = tenant_table(
        f"{prefix}_child",
        metadata,
        Column("parent_id", Integer),
        tenant_foreign_key("parent_id", f"{prefix}_parent.id", **options),
    )
    return parent, child


def test_the_key_has_the_tenant_in_it_and_the_parent_the_unique_constraint() -> None:
    (constraint,) = BILL.foreign_key_constraints
    assert constraint.column_keys == ["tenant_id", "client_id"]
    targets = [element.target_fullname for element in constraint.elements]
    assert targets == ["keys_client.tenant_id", "keys_client.id"]
    assert uniques(CLIENT) == [{"tenant_id", "id"}]


def test_it_makes_no_difference_which_table_is_defined_first() -> None:
    metadata = MetaData()
    Table(
        "keys_first_child",
        metadata,
        Column("tenant_id", String(50)),
        Column("parent_id", Integer),
        tenant_foreign_key("parent_id", "keys_later_parent.id"),
    )
    parent = tenant_table("keys_later_parent", metadata)
    assert uniques(parent) == [{"tenant_id", "id"}]
    metadata.create_all(memory_engine())


def test_the_unique_constraint_is_added_once() -> None:
    metadata = MetaData()
    parent, _ = pair(metadata, "keys_once")
    Table(
        "keys_once_other",
        metadata,
        Column("tenant_id", String(50)),
        Column("parent_id", Integer),
        tenant_foreign_key("parent_id", "keys_once_parent.id"),
    )
    assert uniques(parent) == [{"tenant_id", "id"}]


def test_a_unique_constraint_or_primary_key_that_is_there_is_used() -> None:
    given, _ = pair(MetaData(), "keys_given", UniqueConstraint("id", "tenant_id"))
    assert uniques(given) == [{"tenant_id", "id"}]
    metadata = MetaData()
    keyed = Table(
        "keys_composite",
        metadata,
        Column("tenant_id", String(50), primary_key=True),
        Column("id", Integer, primary_key=True),
    )
    Table(
        "keys_composite_child",
        metadata,
        Column("tenant_id", String(50)),
        Column("parent_id", Integer),
        tenant_foreign_key("parent_id", "keys_composite.id"),
    )
    assert uniques(keyed) == []
    metadata.create_all(memory_engine())


def test_the_tenant_columns_may_have_other_names() -> None:
    metadata = MetaData()
    parent = Table(
        "keys_org_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("org_id", String(50)),
    )
    child = Table(
        "keys_org_child",
        metadata,
        Column("owner", String(50)),
        Column("parent_id", Integer),
        tenant_foreign_key(
            "parent_id", "keys_org_parent.id", tenant="owner", parent_tenant="org_id"
        ),
    )
    (constraint,) = child.foreign_key_constraints
    assert constraint.column_keys == ["owner", "parent_id"]
    assert uniques(parent) == [{"org_id", "id"}]


def test_a_key_of_several_columns_is_possible() -> None:
    metadata = MetaData()
    parent = Table(
        "keys_many_parent",
        metadata,
        Column("year", Integer),
        Column("number", Integer),
        Column("tenant_id", String(50)),
    )
    child = Table(
        "keys_many_child",
        metadata,
        Column("tenant_id", String(50)),
        Column("year", Integer),
        Column("number", Integer),
        tenant_foreign_key(
            ("year", "number"), ("keys_many_parent.year", "keys_many_parent.number")
        ),
    )
    (constraint,) = child.foreign_key_constraints
    assert constraint.column_keys == ["tenant_id", "year", "number"]
    assert uniques(parent) == [{"tenant_id", "year", "number"}]


def test_a_parent_in_a_schema_is_found() -> None:
    metadata = MetaData()
    parent = tenant_table("keys_schema_parent", metadata, schema="keys_schema")
    Table(
        "keys_schema_child",
        metadata,
        Column("tenant_id", String(50)),
        Column("parent_id", Integer),
        tenant_foreign_key("parent_id", "keys_schema.keys_schema_parent.id"),
    )
    assert uniques(parent) == [{"tenant_id", "id"}]


def test_options_go_to_the_constraint() -> None:
    _, child = pair(MetaData(), "keys_options", ondelete="CASCADE", name="keys_named")
    (constraint,) = child.foreign_key_constraints
    assert isinstance(constraint, ForeignKeyConstraint)
    assert constraint.ondelete == "CASCADE"
    assert constraint.name == "keys_named"


@pytest.mark.parametrize("option", ["ondelete", "onupdate"])
@pytest.mark.parametrize("action", ["SET NULL", "set default"])
def test_an_action_that_would_set_the_tenant_is_refused(option: str, action: str) -> None:
    options: dict[str, Any] = {option: action}
    with pytest.raises(ConfigurationError, match=r"SET NULL \(client_id\)"):
        tenant_foreign_key("client_id", "keys_client.id", **options)


def test_on_postgresql_the_rest_of_the_key_is_set_to_null() -> None:
    metadata = MetaData()
    parent, child = pair(metadata, "keys_nulled", ondelete="SET NULL (parent_id)")
    tenant_aware(parent)
    tenant_aware(child)
    dialect: Any = postgresql.dialect
    try:
        CreateTable(child).compile(dialect=dialect())
    except CompileError:
        pytest.skip("this SQLAlchemy takes no list of columns behind SET NULL")
    with database("postgresql") as here:
        engine = here.engine()
        metadata.create_all(engine)
        for tenant, number in (("acme", 1), ("globex", 2)):
            with tenant_scope(tenant), engine.begin() as connection:
                connection.execute(parent.insert().values(id=number))
                connection.execute(child.insert().values(id=number, parent_id=number))
        with tenant_scope("acme"), engine.begin() as connection:
            connection.execute(parent.delete())
        stored = here.read(f"SELECT tenant_id, parent_id FROM {child.name} ORDER BY id")
        assert stored == [("acme", None), ("globex", 2)]
        engine.dispose()


@pytest.mark.parametrize(
    ("columns", "refers_to"),
    [
        ("client_id", "id"),
        ("client_id", ("keys_client.id", "keys_client.name")),
        (("a", "b"), "keys_client.id"),
        (("a", "b"), ("keys_client.id", "keys_bill.id")),
        ((), ()),
    ],
)
def test_columns_that_do_not_fit_are_an_error_that_shows_the_form(
    columns: Any, refers_to: Any
) -> None:
    with pytest.raises(ConfigurationError, match=r'tenant_foreign_key\("customer_id"'):
        tenant_foreign_key(columns, refers_to)


def test_a_parent_without_the_tenant_column_is_an_error_that_names_the_parameter() -> None:
    metadata = MetaData()
    Table("keys_lacking", metadata, Column("id", Integer, primary_key=True))
    with pytest.raises(ConfigurationError, match=r"keys_lacking\.tenant_id.*parent_tenant="):
        Table(
            "keys_lacking_child",
            metadata,
            Column("tenant_id", String(50)),
            Column("parent_id", Integer),
            tenant_foreign_key("parent_id", "keys_lacking.id"),
        )


# -- what it does ----------------------------------------------------------------


@pytest.mark.parametrize("where", NAMES)
def test_the_database_itself_refuses_another_tenants_row(where: DatabaseName) -> None:
    require(where)
    with database(where) as here:
        engine = here.engine()
        Base.metadata.create_all(engine)
        fill(engine, SEED)
        with tenant_scope("acme"):
            with pytest.raises(CrossTenantAccessError), engine.begin() as connection:
                connection.execute(insert(BILL).values(id=1, client_id=2))
            with Session(engine) as session:
                session.add(Bill(id=2, client_id=1))
                session.commit()
                session.add(Bill(id=3, client_id=2))
                with pytest.raises(CrossTenantAccessError):
                    session.commit()
        assert rows(engine, "SELECT id, tenant_id, client_id FROM keys_bill") == [(2, "acme", 1)]
        engine.dispose()


def test_nothing_is_looked_up_for_such_a_key(engine: Engine) -> None:
    with tenant_scope("acme"), sent(engine) as statements, engine.begin() as connection:
        connection.execute(insert(BILL).values(id=1, client_id=1))
        connection.execute(update(BILL).values(client_id=1))
    assert [each.split()[0] for each in statements] == ["INSERT", "UPDATE"]


def test_relationships_over_it_are_written_and_read(engine: Engine) -> None:
    with tenant_scope("acme"), Session(engine) as session:
        bill = Bill(id=7, client=session.get_one(Client, 1))
        session.add(bill)
        session.commit()
        assert (bill.tenant_id, bill.client_id) == ("acme", 1)
        assert session.scalars(select(Client)).one().bills == [bill]


def test_another_thread_may_add_constraints_at_the_same_time() -> None:
    metadata, watched = MetaData(), LetsIn("tenant_id")
    parent = tenant_table("together", metadata, Column("code", String(9)), watched)

    def declare(name: str) -> None:
        key = tenant_foreign_key(name, f"together.{name}")
        tenant_table(f"by_{name}", metadata, Column("code", String(9)), key)

    watched.meanwhile = lambda: declare("code")
    declare("id")
    found = [each for each in parent.constraints if isinstance(each, UniqueConstraint)]
    assert {frozenset(each.columns.keys()) for each in found} == {
        frozenset({"tenant_id"}),
        frozenset({"tenant_id", "id"}),
        frozenset({"tenant_id", "code"}),
    }
