"""The column that holds the tenant: its name, its type, and what it must not be."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import (
    Column,
    Computed,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tests.databases import memory_engine

from ..watching import rows
from .declaring import base, is_confined, names_seen

# -- column= ---------------------------------------------------------------------


def test_the_column_may_have_another_name() -> None:
    metadata = MetaData()
    table = Table("decl_org", metadata, Column("id", Integer), Column("org_id", String))
    tenant_aware(table, column="org_id")
    seed = "INSERT INTO decl_org VALUES (1, 'acme'), (2, 'globex')"
    assert names_seen(metadata, "acme", select(table.c.id), seed) == [1]


@pytest.mark.parametrize("given", ["org", "organisation"])
def test_the_column_may_be_given_by_key_or_by_name(given: str) -> None:
    metadata = MetaData()
    table = Table(
        f"decl_keyed_{given}",
        metadata,
        Column("id", Integer),
        Column("organisation", String, key="org"),
    )
    tenant_aware(table, column=given)
    seed = f"INSERT INTO decl_keyed_{given} VALUES (1, 'acme'), (2, 'globex')"
    assert names_seen(metadata, "acme", select(table.c.id), seed) == [1]


def test_a_renamed_attribute_is_stamped_all_the_same() -> None:
    @tenant_aware(column="organisation")
    class Renamed(base()):  # type: ignore[misc]
        __tablename__ = "decl_attribute"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner: Mapped[str] = mapped_column("organisation")

    engine = memory_engine()
    Renamed.metadata.create_all(engine)
    with tenant_scope("acme"), Session(engine) as session:
        new = Renamed(id=1)
        session.add(new)
        session.commit()
        assert new.owner == "acme"
    assert rows(engine, "SELECT id, organisation FROM decl_attribute") == [(1, "acme")]


def test_a_missing_column_is_an_error_that_shows_the_line_to_add() -> None:
    with pytest.raises(ConfigurationError) as caught:

        @tenant_aware
        class Lacking(base()):  # type: ignore[misc]
            __tablename__ = "decl_lacking"
            id: Mapped[int] = mapped_column(primary_key=True)

    message = str(caught.value)
    assert "decl_lacking" in message
    assert "tenant_id: Mapped[str] = mapped_column(String(255), index=True)" in message
    assert 'tenant_aware(column="...")' in message


def test_a_missing_column_of_another_name_is_shown_under_that_name() -> None:
    table = Table("decl_lacking_org", MetaData(), Column("id", Integer))
    with pytest.raises(ConfigurationError, match=r"org_id: Mapped\[str\] = mapped_column"):
        tenant_aware(table, column="org_id")


@pytest.mark.parametrize("type_", [String(20), Text(), Integer(), Uuid(), Uuid(as_uuid=False)])
def test_the_column_may_be_a_string_an_integer_or_a_uuid(type_: Any) -> None:
    name = f"decl_type_{type(type_).__name__.lower()}_{getattr(type_, 'as_uuid', '')}".lower()
    table = Table(name, MetaData(), Column("id", Integer), Column("tenant_id", type_))
    tenant_aware(table)
    assert is_confined(table.metadata, select(table))


@pytest.mark.parametrize("type_", [LargeBinary(), Numeric()])
def test_a_column_of_another_type_is_an_error_that_lists_the_types(type_: Any) -> None:
    table = Table("decl_wrong_type", MetaData(), Column("tenant_id", type_))
    with pytest.raises(ConfigurationError, match="String, an Integer or a Uuid"):
        tenant_aware(table)


@pytest.mark.parametrize(
    "column",
    [
        Column("tenant_id", String, onupdate="globex"),
        Column("tenant_id", String, Computed("lower(name)")),
    ],
)
def test_a_column_that_changes_by_itself_is_an_error(column: Column[Any]) -> None:
    table = Table("decl_changing", MetaData(), Column("name", String), column)
    with pytest.raises(ConfigurationError, match=r"computed or has an onupdate.*remove it"):
        tenant_aware(table)
