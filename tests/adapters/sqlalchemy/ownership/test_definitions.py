"""Several ``MetaData`` have a table for one of the database's, and differ in what it holds."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    BigInteger,
    Column,
    Computed,
    ForeignKey,
    Integer,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Uuid,
    insert,
    select,
)

from tenantshield_mw import CrossTenantAccessError, TenantShieldError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import database, memory_engine

pytestmark = pytest.mark.usefixtures("declared_for_a_test")


def shop(theirs: Any, ours: Any, *more: Any, tenant: Any = None) -> tuple[Table, Table]:
    """Return a tenant-aware table, and one that refers to it, of a ``MetaData`` of their own."""
    metadata = MetaData()
    parent = Table(
        "item",
        metadata,
        Column("id", theirs, primary_key=True, autoincrement=False),
        Column("tenant_id", tenant or String(20), nullable=False),
    )
    child = Table(
        "line",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("item_id", ours, ForeignKey(parent.c.id), *more),
    )
    return tenant_aware(parent), child


NUMBERS: list[tuple[Any, Any]] = [(Numeric(10), Numeric(10)), (Integer(), SmallInteger())]


@pytest.mark.parametrize("used", [0, 1])
@pytest.mark.parametrize("order", [1, -1], ids=["narrow last", "narrow first"])
def test_a_foreign_key_holds_what_it_holds_in_every_definition(order: int, used: int) -> None:
    kinds = NUMBERS[::order]
    both = [shop(*each) for each in kinds]
    parent, child = both[used]
    with database("mariadb") as here:
        # What is 40000 to it becomes 32767, which is the other tenant's.
        engine = here.engine(connect_args={"sql_mode": ""})
        parent.create(engine)
        here.run("CREATE TABLE line (id int, item_id smallint)")
        for tenant, key in (("a", 40000), ("b", 32767)):
            with tenant_scope(tenant), engine.begin() as connection:
                connection.execute(insert(parent).values(id=key))
        for given in (40000, "40000", Decimal(40000), 40000.0):
            refused = pytest.raises(CrossTenantAccessError, match="cannot hold")
            with tenant_scope("a"), refused, engine.begin() as connection:
                connection.execute(insert(child).values(id=1, item_id=given))
        assert here.read("SELECT * FROM line") == []
        engine.dispose()


def test_types_that_differ_in_both_tables_of_one_definition_are_no_obstacle() -> None:
    parent, child = shop(Uuid(), Uuid())
    shop(CHAR(32), CHAR(32))
    engine = memory_engine()
    parent.metadata.create_all(engine)
    key = uuid.uuid4()
    with tenant_scope("a"), engine.begin() as connection:
        connection.execute(insert(parent).values(id=key))
        connection.execute(insert(child).values(id=1, item_id=key))
        assert connection.scalars(select(child.c.item_id)).all() == [key]


def test_a_parent_that_only_another_metadata_defines_is_compared_with() -> None:
    shop(BigInteger(), BigInteger())
    alone = MetaData()
    other = tenant_aware(
        Table("thing", alone, Column("id", Integer, primary_key=True), Column("tenant_id", String))
    )
    note = Table(
        "line",
        alone,
        Column("id", Integer, primary_key=True),
        Column("item_id", SmallInteger, ForeignKey("item.id")),
    )
    assert other.metadata is alone
    with database("mariadb") as here:
        engine = here.engine()
        refused = pytest.raises(CrossTenantAccessError, match="cannot hold")
        with tenant_scope("a"), refused, engine.begin() as connection:
            connection.execute(insert(note).values(id=1, item_id=40000))
        engine.dispose()


@pytest.mark.parametrize("order", [1, -1])
def test_a_foreign_key_that_one_definition_computes_is_refused(order: int) -> None:
    both = [shop(Integer(), Integer(), *more) for more in [(), (Computed("id"),)][::order]]
    with database("sqlite") as here:
        engine = here.engine()
        both[0][0].create(engine)
        here.run(
            "CREATE TABLE line (id integer, item_id integer AS (id))",
            "INSERT INTO item VALUES (1, 'b')",
        )
        for _, child in both:
            refused = pytest.raises(TenantShieldError, match="computed by the database")
            with tenant_scope("a"), refused, engine.begin() as connection:
                connection.execute(insert(child).values(id=1))
        assert here.read("SELECT * FROM line") == []
        engine.dispose()


@pytest.mark.parametrize("order", [1, -1], ids=["short last", "short first"])
def test_a_tenant_fits_every_definition_of_its_column(order: int) -> None:
    lengths = (String(50), String(4))[::order]
    both = [shop(Integer(), Integer(), tenant=each)[0] for each in lengths]
    with database("mariadb") as here:
        engine = here.engine(connect_args={"sql_mode": ""})
        here.run("CREATE TABLE item (id int primary key, tenant_id varchar(4))")
        for parent in both:
            refused = pytest.raises(TenantShieldError, match="cannot hold")
            with tenant_scope("acme-north"), refused, engine.begin() as connection:
                connection.execute(insert(parent).values(id=1))
        assert here.read("SELECT * FROM item") == []
        engine.dispose()


@pytest.mark.parametrize("other", ["main.line", "Line"])
@pytest.mark.parametrize("used", [0, 1])
def test_a_foreign_key_counts_under_every_name_of_its_table(other: str, used: int) -> None:
    parent, child = shop(Integer(), Integer())
    schema, _, name = other.rpartition(".")
    metadata = MetaData()
    columns = [Column("id", Integer, primary_key=True), Column("item_id", Integer)]
    again = Table(name, metadata, *columns, Column("x", Integer), schema=schema or None)
    tenant_aware(
        Table(
            "thing", metadata, Column("id", Integer, primary_key=True), Column("tenant_id", String)
        )
    )
    with database("sqlite") as here:
        engine = here.engine()
        parent.create(engine)
        here.run("CREATE TABLE line (id integer, item_id integer, x integer)")
        here.run("INSERT INTO item VALUES (7, 'b')")
        with tenant_scope("a"), pytest.raises(CrossTenantAccessError), engine.begin() as connection:
            connection.execute(insert((child, again)[used]).values(id=1, item_id=7))
        assert here.read("SELECT * FROM line") == []
        engine.dispose()


def test_a_column_in_another_case_limits_a_tenant_too() -> None:
    parent, _ = shop(Integer(), Integer())
    metadata = MetaData()
    Table("item", metadata, Column("ID", Integer, primary_key=True), Column("TENANT_ID", String(4)))
    tenant_aware(
        Table(
            "thing", metadata, Column("id", Integer, primary_key=True), Column("tenant_id", String)
        )
    )
    engine = memory_engine()
    refused = pytest.raises(TenantShieldError, match="cannot hold")
    with tenant_scope("acme-north"), refused, engine.begin() as connection:
        connection.execute(insert(parent).values(id=1))
