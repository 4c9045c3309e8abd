"""A foreign key that includes the tenant keeps to it only where the database compares exactly."""

from __future__ import annotations

from collections.abc import Iterator
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
    TypeDecorator,
    UniqueConstraint,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.types import TypeEngine

from tenantshield_mw import CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import NAMES, Database, DatabaseName, database, require

from ..watching import sent

metadata = MetaData()


def tables(
    name: str, tenant: TypeEngine[Any], metadata: MetaData = metadata
) -> tuple[Table, Table]:
    """Return a table of customers, and orders that refer to them and are deleted with them."""
    customer = Table(
        f"{name}_customer",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", tenant, nullable=False),
        UniqueConstraint("tenant_id", "id"),
    )
    order = Table(
        f"{name}_order",
        metadata,
        Column("id", Integer, primary_key=True, autoincrement=False),
        Column("tenant_id", tenant, nullable=False),
        Column("customer_id", Integer),
        ForeignKeyConstraint(
            ["tenant_id", "customer_id"],
            [customer.c.tenant_id, customer.c.id],
            ondelete="CASCADE",
        ),
    )
    return tenant_aware(customer), tenant_aware(order)


FOLDED = tables("folded", String(20, "NOCASE"))
PLAIN = tables("plain", String(20))
BINARY = tables("binary", String(20, "utf8mb4_bin"))


def made(name: DatabaseName, metadata_of: tuple[Table, Table]) -> Iterator[Database]:
    require(name)
    with database(name) as here:
        engine = here.engine()
        metadata.create_all(engine, tables=metadata_of)
        engine.dispose()
        customer = metadata_of[0].name
        here.run(f"INSERT INTO {customer} VALUES (1, 'acme'), (2, 'Acme')")
        yield here


@pytest.fixture(params=["mariadb", "sqlite"])
def folding(request: pytest.FixtureRequest) -> Iterator[tuple[Engine, Table, Table, Database]]:
    chosen = PLAIN if request.param == "mariadb" else FOLDED
    for here in made(request.param, chosen):
        engine = here.engine()
        yield (engine, *chosen, here)
        engine.dispose()


def test_another_tenants_row_is_not_referred_to(
    folding: tuple[Engine, Table, Table, Database],
) -> None:
    engine, customer, order, here = folding
    with tenant_scope("Acme"), engine.begin() as connection:
        connection.execute(insert(order).values(id=11, customer_id=2))
        for statement in (
            insert(order).values(id=12, customer_id=1),
            update(order).values(customer_id=1),
            insert(order).values([{"id": 13, "customer_id": 2}, {"id": 14, "customer_id": 1}]),
            update(order).values(customer_id=func.coalesce(order.c.customer_id, 1)),
        ):
            with pytest.raises(CrossTenantAccessError), connection.begin_nested():
                connection.execute(statement)
        connection.execute(update(order).values(customer_id=None))
        connection.execute(update(order).values(customer_id=2))
    with tenant_scope("acme"), engine.begin() as connection:
        connection.execute(delete(customer))
    assert here.read(f"SELECT id, customer_id FROM {order.name}") == [(11, 2)]


FOLDING = String(20, "NOCASE")


class Plain(TypeDecorator[str]):
    impl = String(20).with_variant(FOLDING, "sqlite")
    cache_ok = True


DECLARED: dict[str, list[TypeEngine[Any]]] = {
    "first": [FOLDING, String(20)],
    "last": [String(20), FOLDING],
    "varied": [String(20).with_variant(FOLDING, "sqlite")],
    "decorated": [Plain()],
}


@pytest.mark.parametrize("kind", DECLARED)
def test_a_collation_of_any_definition_on_any_database_counts(kind: str) -> None:
    made = [tables(f"fold_{kind}", each, MetaData()) for each in DECLARED[kind]]
    folding = "id int, tenant_id varchar(20) COLLATE NOCASE"
    with database("sqlite") as here:
        engine = here.engine()
        here.run(
            f"CREATE TABLE fold_{kind}_customer ({folding})",
            f"CREATE TABLE fold_{kind}_order ({folding}, customer_id int)",
            f"INSERT INTO fold_{kind}_customer VALUES (1, 'acme')",
        )
        for _, order in made:
            refused = pytest.raises(CrossTenantAccessError, match="does not have")
            with tenant_scope("Acme"), refused, engine.begin() as connection:
                connection.execute(insert(order).values(id=1, customer_id=1))
        engine.dispose()


@pytest.mark.parametrize("name", [each for each in NAMES if each != "mariadb"])
def test_where_texts_are_compared_exactly_nothing_is_looked_up(name: DatabaseName) -> None:
    _, order = PLAIN
    for here in made(name, PLAIN):
        engine = here.engine()
        with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
            connection.execute(insert(order).values(id=11, customer_id=1))
            assert connection.scalars(select(order.c.id)).all() == [11]
        assert [each.split()[0] for each in statements] == ["INSERT", "SELECT"]
        engine.dispose()


def test_nor_with_a_binary_collation() -> None:
    _, order = BINARY
    for here in made("mariadb", BINARY):
        engine = here.engine()
        with tenant_scope("acme"), engine.begin() as connection, sent(engine) as statements:
            connection.execute(insert(order).values(id=11, customer_id=1))
        assert len(statements) == 1
        engine.dispose()


def test_an_upsert_is_looked_up_too() -> None:
    _, order = PLAIN
    for here in made("mariadb", PLAIN):
        engine = here.engine()
        with tenant_scope("Acme"), engine.begin() as connection:
            upsert = mysql.insert(order).values(id=11, customer_id=2)
            connection.execute(upsert)
            for value in (1, upsert.inserted.id):
                with pytest.raises(Exception, match=r"tenant|expression"):
                    connection.execute(upsert.on_duplicate_key_update(customer_id=value))
        engine.dispose()
