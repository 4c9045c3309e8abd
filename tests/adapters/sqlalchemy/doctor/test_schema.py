"""Differences between the models and a database of any kind, planted one at a time."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager

import pytest
from sqlalchemy import (
    Column,
    DefaultClause,
    Engine,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    text,
)

from tenantshield_mw import system_scope
from tenantshield_mw.adapters.sqlalchemy.doctor import KINDS, Finding, examine
from tests.databases import NAMES, database, require

from .shop import Planted, Shop


@pytest.fixture(scope="module", params=NAMES)
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    require(request.param)
    with database(request.param) as here:
        engine = here.engine()
        yield engine
        engine.dispose()


@contextmanager
def in_place(engine: Engine, metadata: MetaData) -> Generator[None, None, None]:
    metadata.create_all(engine)
    try:
        yield
    finally:
        with system_scope("to clear up after a test"):
            metadata.drop_all(engine)


def found(engine: Engine, metadata: MetaData) -> list[Finding]:
    """Return the findings that concern a database of any kind."""
    return [each for each in examine(metadata, engine) if KINDS[each.kind].place == "any database"]


class There:
    """The shop's tables in the database."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.metadata = MetaData()
        for table in shop.metadata.sorted_tables:
            table.to_metadata(self.metadata)

    def __getitem__(self, name: str) -> Table:
        return self.metadata.tables[self.shop.name(name)]


def missing_table(there: There) -> None:
    there.metadata.remove(there["line"])


def unknown_table(there: There) -> None:
    name = there.shop.name("old")
    Table(name, there.metadata, there.shop.key(), Column("tenant_id", String(40)))


def without_tenant_column(there: There) -> None:
    there.metadata.remove(there["line"])
    there.metadata.remove(there["invoice"])
    Table(
        there.shop.name("invoice"),
        there.metadata,
        there.shop.key(),
        Column("customer_id", there.shop.refers_to("customer"), nullable=False),
    )
    there.shop.metadata.tables[there.shop.name("line")].to_metadata(there.metadata)


def nullable_tenant(there: There) -> None:
    there["customer"].c.tenant_id.nullable = True


def default_tenant(there: There) -> None:
    column = there["customer"].c.tenant_id
    column.server_default = DefaultClause(text("'acme'"))


def without_index(there: There) -> None:
    # The foreign key's constraint over tenant and id, and that of the e-mail, are dropped too.
    customer = there["customer"]
    there["invoice"].constraints -= set(there["invoice"].foreign_key_constraints)
    customer.indexes.clear()
    customer.constraints -= {
        each for each in customer.constraints if isinstance(each, UniqueConstraint)
    }


def unique_email(there: There) -> None:
    there["customer"].append_constraint(UniqueConstraint("email"))


def unique_index_on_email(there: There) -> None:
    there.shop.index("email_alone", there["customer"].c.email, unique=True)


def without_unique(there: There) -> None:
    customer = there["customer"]
    customer.constraints -= {
        each for each in customer.constraints if each.name == there.shop.name("customer_email")
    }


def without_foreign_key(there: There) -> None:
    there["invoice"].constraints -= set(there["invoice"].foreign_key_constraints)


def without_tie(there: There) -> None:
    there["line"].constraints -= set(there["line"].foreign_key_constraints)


def other_foreign_key(there: There) -> None:
    name = there.shop.name("customer")
    there["line"].append_column(Column("customer_id", Integer))
    there["line"].append_constraint(
        ForeignKeyConstraint(["customer_id"], [f"{name}.id"], name=f"fk_{name}")
    )


FAULTS: list[tuple[Callable[[There], None], list[Planted]]] = [
    (missing_table, [("table-missing", "line", None)]),
    (unknown_table, [("table-unknown", "old", "tenant_id")]),
    (
        without_tenant_column,
        [
            ("database-foreign-key-missing", "invoice", "tenant_id, customer_id"),
            ("database-tenant-missing", "invoice", "tenant_id"),
            ("database-foreign-key-unknown", "invoice", "customer_id"),
        ],
    ),
    (nullable_tenant, [("database-tenant-nullable", "customer", "tenant_id")]),
    (default_tenant, [("database-tenant-default", "customer", "tenant_id")]),
    (
        without_index,
        [
            ("database-tenant-not-indexed", "customer", "tenant_id"),
            ("database-unique-missing", "customer", "tenant_id, email"),
            ("database-unique-missing", "customer", "tenant_id, id"),
            ("database-foreign-key-missing", "invoice", "tenant_id, customer_id"),
        ],
    ),
    (unique_email, [("database-unique-without-tenant", "customer", "email")]),
    (unique_index_on_email, [("database-unique-without-tenant", "customer", "email")]),
    (without_unique, [("database-unique-missing", "customer", "tenant_id, email")]),
    (
        without_foreign_key,
        [("database-foreign-key-missing", "invoice", "tenant_id, customer_id")],
    ),
    (without_tie, [("database-foreign-key-missing", "line", "invoice_id")]),
    (other_foreign_key, [("database-foreign-key-unknown", "line", "customer_id")]),
]


def test_nothing_is_found_where_the_database_is_as_the_models(engine: Engine) -> None:
    shop = Shop()
    with in_place(engine, shop.metadata):
        assert found(engine, shop.metadata) == []


@pytest.mark.parametrize(
    ("plant", "expected"), FAULTS, ids=lambda each: getattr(each, "__name__", "")
)
def test_a_fault_is_found_and_nothing_else(
    engine: Engine, plant: Callable[[There], None], expected: list[Planted]
) -> None:
    shop = Shop()
    there = There(shop)
    plant(there)
    with in_place(engine, there.metadata):
        assert shop.planted(found(engine, shop.metadata)) == expected


@pytest.mark.parametrize(
    "plant",
    [nullable_tenant, default_tenant, unique_email, unique_index_on_email, without_foreign_key],
    ids=lambda each: each.__name__,
)
def test_the_fix_can_be_pasted(engine: Engine, plant: Callable[[There], None]) -> None:
    if engine.dialect.name == "sqlite":
        pytest.skip("SQLite changes no constraint of a table that exists; the fix says so")
    shop = Shop()
    there = There(shop)
    plant(there)
    with in_place(engine, there.metadata):
        (finding,) = found(engine, shop.metadata)
        with system_scope("to mend what was found"), engine.begin() as connection:
            for statement in filter(None, map(str.strip, finding.fix.split(";"))):
                connection.exec_driver_sql(statement)
        assert found(engine, shop.metadata) == []
