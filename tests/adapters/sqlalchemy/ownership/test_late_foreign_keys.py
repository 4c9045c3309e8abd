"""Foreign keys and columns that a table is given after a statement has used the rules."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Engine,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    insert,
    select,
)
from sqlalchemy.orm import DeclarativeBase, mapped_column

from tenantshield_mw import CrossTenantAccessError, system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import memory_engine

from ..watching import fill

NUMBERS = count()


class Late:
    """A tenant-aware table, one that is to refer to it, and an engine that was in use."""

    def __init__(self) -> None:
        # The registry knows tables by name, and keeps what was declared.
        number = next(NUMBERS)
        parent, child = f"late_parent_{number}", f"late_child_{number}"
        self.key = f"{parent}.id"
        self.metadata = MetaData()
        self.parent = tenant_aware(
            Table(
                parent,
                self.metadata,
                Column("id", Integer, primary_key=True),
                Column("tenant_id", String(50)),
            )
        )
        self.child = Table(child, self.metadata, Column("id", Integer, primary_key=True))
        self.engine = memory_engine()
        fill(
            self.engine,
            f"CREATE TABLE {parent} (id INTEGER PRIMARY KEY, tenant_id VARCHAR(50))",
            f"CREATE TABLE {child} (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL "
            f"REFERENCES {parent} (id))",
            f"INSERT INTO {parent} VALUES (1, 'acme'), (2, 'globex')",
            f"INSERT INTO {child} VALUES (1, 1), (2, 2)",
        )
        assert len(self.read()) == 2  # Nothing ties it to anybody yet.

    def read(self) -> list[Any]:
        return read(self.engine, self.child)


def read(engine: Engine, table: Table) -> list[Any]:
    with tenant_scope("acme"), engine.connect() as connection:
        return list(connection.execute(select(table.c.id).order_by(table.c.id)).scalars())


@pytest.fixture
def late() -> Late:
    return Late()


def test_a_column_with_a_foreign_key_ties_the_table_that_it_is_appended_to(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key), nullable=False))
    assert late.read() == [1]


def test_an_appended_constraint_ties_the_table(late: Late) -> None:
    late.child.append_column(Column("parent_id", Integer, nullable=False))
    assert late.read() == [1, 2]
    late.child.append_constraint(ForeignKeyConstraint(["parent_id"], [late.key]))
    assert late.read() == [1]


def test_a_column_that_takes_anothers_place_and_cannot_be_null_ties_the_table(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key)))
    assert late.read() == [1, 2]
    column: Column[int] = Column("parent_id", ForeignKey(late.key), nullable=False)
    late.child.append_column(column, replace_existing=True)
    assert late.read() == [1]


def test_a_table_that_is_reflected_again_is_tied_by_what_is_found(late: Late) -> None:
    with system_scope("reflection"):
        Table(late.child.name, late.metadata, extend_existing=True, autoload_with=late.engine)
    assert late.read() == [1]


def test_a_foreign_key_that_ties_nothing_is_looked_up_once_it_is_there(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key)))
    with (
        tenant_scope("acme"),
        late.engine.begin() as connection,
        pytest.raises(CrossTenantAccessError, match=r"late_child_\d+ \(parent_id\)"),
    ):
        connection.execute(insert(late.child).values(id=3, parent_id=2))


def test_an_attribute_that_a_mapped_class_is_given_later_ties_its_table(late: Late) -> None:
    class Base(DeclarativeBase):
        metadata = late.metadata

    class Child(Base):
        __table__ = late.child

    given: Any = Child
    given.parent_id = mapped_column(ForeignKey(late.key), nullable=False)
    assert late.read() == [1]


def test_what_only_copies_columns_or_belongs_to_nobody_renews_nothing(late: Late) -> None:
    late.child.append_column(Column("parent_id", ForeignKey(late.key), nullable=False))
    before = registry.generation
    select(late.child).subquery().alias().select()
    late.child.alias().c.parent_id.label("other")
    late.child.to_metadata(MetaData())
    Table(late.child.name, MetaData(), Column("id", ForeignKey(late.key)))
    late.read()
    assert registry.generation == before
