"""The declarations: valid targets, their effects, and the error messages."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, insert, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from tenantshield_mw import ConfigurationError, CrossTenantAccessError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tests.databases import memory_engine

from ..watching import fill, rows
from .declaring import base, is_confined, names_seen

# -- what may be marked ----------------------------------------------------------


def test_a_model_is_marked_and_returned() -> None:
    class Plain(base()):  # type: ignore[misc]
        __tablename__ = "decl_model"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        name: Mapped[str]

    assert tenant_aware(Plain) is Plain
    seed = "INSERT INTO decl_model VALUES (1, 'acme', 'ours'), (2, 'globex', 'theirs')"
    assert names_seen(Plain.metadata, "acme", select(Plain.name), seed) == ["ours"]


def test_the_decorator_works_with_and_without_parentheses() -> None:
    shared_base = base()

    @tenant_aware
    class Bare(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_bare"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    @tenant_aware()
    class Called(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_called"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    assert is_confined(shared_base.metadata, select(Bare.id))
    assert is_confined(shared_base.metadata, select(Called.id))


def test_a_core_table_is_marked_and_returned() -> None:
    metadata = MetaData()
    notes = Table("decl_notes", metadata, Column("id", Integer), Column("tenant_id", String))
    assert tenant_aware(notes) is notes
    seed = "INSERT INTO decl_notes VALUES (1, 'acme'), (2, 'globex')"
    assert names_seen(metadata, "acme", select(notes.c.id), seed) == [1]


# -- through= --------------------------------------------------------------------


def test_a_table_marked_through_its_parent_is_confined_to_its_rows() -> None:
    shared_base = base()

    @tenant_aware
    class Order(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_order"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    @tenant_aware(through="decl_order")
    class Line(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_line"
        id: Mapped[int] = mapped_column(primary_key=True)
        order_id: Mapped[int | None] = mapped_column(ForeignKey("decl_order.id"))

    seed = (
        "INSERT INTO decl_order VALUES (1, 'acme'), (2, 'globex')",
        "INSERT INTO decl_line VALUES (11, 1), (12, 2), (13, NULL)",
    )
    assert names_seen(shared_base.metadata, "acme", select(Line.id), *seed) == [11]
    assert Order.metadata is Line.metadata


def test_the_parent_may_be_marked_later() -> None:
    metadata = MetaData()
    parent = Table(
        "decl_late_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        "decl_early_child",
        metadata,
        Column("id", Integer),
        Column("parent_id", ForeignKey("decl_late_parent.id")),
    )
    tenant_aware(child, through="decl_late_parent")
    tenant_aware(parent)
    assert is_confined(metadata, select(child))


def test_through_without_a_foreign_key_is_an_error_that_names_the_way_out() -> None:
    table = Table("decl_no_key", MetaData(), Column("id", Integer))
    with pytest.raises(ConfigurationError, match=r"no foreign key to 'decl_order'.*tenant column"):
        tenant_aware(table, through="decl_order")


def test_through_a_table_that_is_not_tenant_aware_is_an_error_when_it_is_used() -> None:
    metadata = MetaData()
    parent = Table(
        "decl_plain_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        "decl_through_plain", metadata, Column("parent_id", ForeignKey("decl_plain_parent.id"))
    )
    tenant_aware(child, through="decl_plain_parent")
    engine = memory_engine()
    try:
        with (
            engine.connect() as connection,
            tenant_scope("acme"),
            pytest.raises(ConfigurationError, match=r"decl_plain_parent.*mark that table too"),
        ):
            connection.execute(select(child))
    finally:
        # The registry is the process's own: leave nothing half declared in it.
        tenant_aware(parent)
    assert is_confined(metadata, select(child))


def test_a_column_and_a_parent_exclude_each_other() -> None:
    table = Table("decl_both", MetaData(), Column("org_id", String))
    with pytest.raises(ConfigurationError, match="a column or a parent, not both"):
        tenant_aware(table, column="org_id", through="decl_order")


# -- check_references= -----------------------------------------------------------


@pytest.mark.parametrize("checked", [True, False])
def test_references_are_looked_up_unless_told_otherwise(checked: bool) -> None:
    metadata = MetaData()
    prefix = f"decl_refs_{checked}".lower()
    parent = Table(
        f"{prefix}_parent",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        f"{prefix}_child",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
        Column("parent_id", ForeignKey(f"{prefix}_parent.id")),
    )
    tenant_aware(parent)
    tenant_aware(child, check_references=checked)
    engine = memory_engine()
    metadata.create_all(engine)
    fill(engine, f"INSERT INTO {prefix}_parent VALUES (2, 'globex')")
    with engine.begin() as connection, tenant_scope("acme"):
        if checked:
            with pytest.raises(CrossTenantAccessError, match=f"{prefix}_parent"):
                connection.execute(insert(child).values(id=1, parent_id=2))
        else:
            connection.execute(insert(child).values(id=1, parent_id=2))
    expected = [] if checked else [(1, "acme", 2)]
    assert rows(engine, f"SELECT * FROM {prefix}_child") == expected


# -- shared_across_tenants -------------------------------------------------------


def test_a_shared_table_works_with_and_without_a_tenant() -> None:
    @shared_across_tenants
    class Currency(base()):  # type: ignore[misc]
        __tablename__ = "decl_currency"
        code: Mapped[str] = mapped_column(primary_key=True)

    engine = memory_engine()
    Currency.metadata.create_all(engine)
    with Session(engine) as session:
        session.add(Currency(code="EUR"))
        session.commit()
    with tenant_scope("acme"), Session(engine) as session:
        assert session.scalars(select(Currency.code)).all() == ["EUR"]


def test_shared_across_tenants_works_with_parentheses_and_on_a_table() -> None:
    table = Table("decl_shared_table", MetaData(), Column("id", Integer))
    assert shared_across_tenants()(table) is table
    assert not is_confined(table.metadata, select(table))


def test_a_table_with_a_key_to_a_tenant_aware_one_may_be_shared_on_purpose() -> None:
    metadata = MetaData()
    parent = Table(
        "decl_shared_owner",
        metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    child = Table(
        "decl_shared_child",
        metadata,
        Column("parent_id", ForeignKey("decl_shared_owner.id"), nullable=False),
    )
    tenant_aware(parent)
    shared_across_tenants(child)
    assert not is_confined(metadata, select(child))


@pytest.mark.parametrize("target", ["invoice", 3, object, MetaData()])
def test_shared_across_tenants_marks_nothing_but_classes_and_tables(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="a mapped class or a Table"):
        shared_across_tenants(target)


@pytest.mark.parametrize("target", ["invoice", 3, MetaData()])
def test_tenant_aware_marks_nothing_but_classes_and_tables(target: Any) -> None:
    with pytest.raises(ConfigurationError, match="marks a class or a Table, not a"):
        tenant_aware(target)


# -- contradictions --------------------------------------------------------------


def twofold(name: str) -> Table:
    return Table(
        name,
        MetaData(),
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
        Column("org_id", String),
        Column("parent_id", ForeignKey("decl_order.id")),
    )


def test_the_same_declaration_twice_is_fine() -> None:
    tenant_aware(twofold("decl_same"))
    tenant_aware(twofold("decl_same"))
    shared_across_tenants(twofold("decl_same_shared"))
    shared_across_tenants(twofold("decl_same_shared"))


def test_two_columns_for_one_table_are_an_error() -> None:
    tenant_aware(twofold("decl_two_columns"))
    with pytest.raises(ConfigurationError, match="decl_two_columns is declared twice"):
        tenant_aware(twofold("decl_two_columns"), column="org_id")


def test_a_table_that_was_tenant_aware_cannot_become_shared() -> None:
    tenant_aware(twofold("decl_then_shared"))
    with pytest.raises(ConfigurationError, match="decl_then_shared is declared twice"):
        shared_across_tenants(twofold("decl_then_shared"))
    assert is_confined(MetaData(), select(twofold("decl_then_shared")))


def test_a_table_that_was_shared_cannot_become_tenant_aware() -> None:
    shared_across_tenants(twofold("decl_was_shared"))
    with pytest.raises(ConfigurationError, match="decl_was_shared is declared twice"):
        tenant_aware(twofold("decl_was_shared"))


def test_a_table_with_a_column_cannot_also_go_through_a_parent() -> None:
    tenant_aware(twofold("decl_then_through"))
    with pytest.raises(ConfigurationError, match="decl_then_through is declared twice"):
        tenant_aware(twofold("decl_then_through"), through="decl_order")


@pytest.mark.usefixtures("declared_for_a_test")
def test_the_same_name_in_two_schemas_is_two_tables() -> None:
    first = Table("decl_twice", MetaData(), Column("tenant_id", String), schema="decl_one")
    second = Table("decl_twice", MetaData(), Column("org_id", String), schema="decl_two")
    tenant_aware(first)
    tenant_aware(second, column="org_id")
    assert is_confined(MetaData(), select(first))
    assert is_confined(MetaData(), select(second))
