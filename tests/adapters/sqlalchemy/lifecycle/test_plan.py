"""The order of the tables, and what is refused."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.lifecycle.plan import plan_of

from .models import Base


def test_each_table_stands_behind_those_that_it_refers_to() -> None:
    plan = plan_of(Base.metadata)
    names = [table.name for table in plan.tables]
    for parent, child in (
        ("life_invoice", "life_line"),
        ("life_line", "life_note"),
        ("life_person", "life_engineer"),
        ("life_person", "life_team"),
        ("life_tag", "life_tagged"),
    ):
        assert names.index(parent) < names.index(child)
    # The tree, and the half of the circle that can be NULL.
    assert {
        (table.name, column.name)
        for table, found in plan.later.items()
        for later in found
        for column in later.columns
    } == {("life_person", "manager_id"), ("life_person", "team_id")}
    assert [table.name for table in plan.shared] == ["life_currency"]


def owned(metadata: MetaData, name: str, *columns: Column[int]) -> Table:
    return tenant_aware(
        Table(
            name,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", String(20)),
            *columns,
        )
    )


def test_a_table_that_is_not_declared_is_named() -> None:
    metadata = MetaData()
    owned(metadata, "plan_declared")
    Table("plan_forgotten", metadata, Column("id", Integer, primary_key=True))
    with pytest.raises(ConfigurationError, match=r"hold: plan_forgotten; mark each"):
        plan_of(metadata)
    with pytest.raises(ConfigurationError, match="no table holds tenants' rows"):
        plan_of(MetaData())


def test_a_circle_that_cannot_be_opened_is_named() -> None:
    metadata = MetaData()
    for name, other in (("plan_one", "plan_two"), ("plan_two", "plan_one")):
        key = ForeignKey(f"{other}.id", use_alter=True, name=f"{name}_key")
        owned(metadata, name, Column("other_id", key, nullable=False))
    with pytest.raises(ConfigurationError, match="cannot be NULL: plan_one, plan_two"):
        plan_of(metadata)


def test_tenant_columns_of_several_types_are_refused() -> None:
    metadata = MetaData()
    owned(metadata, "plan_text")
    tenant_aware(
        Table(
            "plan_number",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("tenant_id", Integer),
        )
    )
    with pytest.raises(ConfigurationError, match="their types are: int, str"):
        _ = plan_of(metadata).tenant_type
