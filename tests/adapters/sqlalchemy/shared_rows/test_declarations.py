"""What ``shared_rows`` may be, and which tables it may stand on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import (
    Column,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    null,
    select,
    text,
)
from sqlalchemy.types import TypeDecorator

from tenantshield_mw import ConfigurationError, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import tenant_aware, tenant_foreign_key
from tenantshield_mw.adapters.sqlalchemy.citus import citus_statements
from tenantshield_mw.adapters.sqlalchemy.doctor import examine
from tenantshield_mw.adapters.sqlalchemy.ownership.registry import registry
from tests.databases import memory_engine

from ..schemas import child_table


@pytest.fixture(autouse=True)
def own_declarations() -> Iterator[None]:
    """Let what is declared here, of which some is refused, not stay declared."""
    state, is_empty = registry._state, registry.is_empty
    yield
    registry._state, registry.is_empty = state, is_empty
    registry.generation += 1


class Lower(TypeDecorator[str]):
    impl = String(20)
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Any) -> str | None:
        return None if value is None else value.lower()


def table(name: str, *more: Any, metadata: MetaData | None = None, **tenant: Any) -> Table:
    type_ = tenant.pop("type_", String(20))
    options: dict[str, Any] = {"nullable": False, "index": True, **tenant}
    return Table(
        name,
        MetaData() if metadata is None else metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", type_, **options),
        *more,
    )


@pytest.mark.parametrize(
    ("value", "tenant", "why"),
    [
        (null(), {}, "is NOT NULL"),
        ("x" * 21, {}, "cannot hold it"),
        (7, {}, "cannot hold it"),
        ("7", {"type_": Integer}, "cannot hold it"),
        ("no uuid", {"type_": Uuid(as_uuid=False)}, "cannot hold it"),
        (True, {"type_": Integer}, "cannot hold it"),
    ],
)
def test_a_value_that_the_column_cannot_hold_is_refused(
    value: Any, tenant: dict[str, Any], why: str
) -> None:
    with pytest.raises(ConfigurationError, match=why):
        tenant_aware(table("srd_one", **tenant), shared_rows=value)


def test_a_table_that_is_declared_through_a_parent_takes_none() -> None:
    with pytest.raises(ConfigurationError, match="shared if its parent is"):
        tenant_aware(table("srd_two"), through="srd_one", shared_rows=null())


def test_two_declarations_must_agree() -> None:
    metadata = MetaData()
    twice = table("srd_three", metadata=metadata, nullable=True)
    tenant_aware(twice, shared_rows=null())
    tenant_aware(twice, shared_rows=null())
    with pytest.raises(ConfigurationError, match="same shared_rows"):
        tenant_aware(twice)


def test_a_tenant_that_a_decorator_makes_the_shared_value_is_refused() -> None:
    odd = table("srd_lower", type_=Lower())
    tenant_aware(odd, shared_rows="everybody")
    engine = memory_engine()
    with (
        tenant_scope("Everybody"),
        engine.connect() as connection,
        pytest.raises(ConfigurationError),
    ):
        connection.execute(select(odd))


def composite_to() -> Table:
    metadata = MetaData()
    tenant_aware(table("srd_parent", metadata=metadata, nullable=True), shared_rows=null())
    child = table(
        "srd_child",
        Column("parent_id", Integer),
        tenant_foreign_key("parent_id", "srd_parent.id"),
        metadata=metadata,
    )
    return tenant_aware(child)


def composite_from() -> Table:
    metadata = MetaData()
    tenant_aware(table("srd_parent", metadata=metadata))
    child = table(
        "srd_child",
        Column("parent_id", Integer),
        tenant_foreign_key("parent_id", "srd_parent.id"),
        metadata=metadata,
        nullable=True,
    )
    return tenant_aware(child, shared_rows=null())


@pytest.mark.parametrize("declare", [composite_to, composite_from])
def test_a_foreign_key_with_the_tenant_is_refused(declare: Callable[[], Table]) -> None:
    child = declare()
    with pytest.raises(ConfigurationError, match="use a plain foreign key"):
        registry.ownership_of(child)


def test_a_unique_key_of_a_reference_to_shared_rows_replaces_no_row() -> None:
    metadata = MetaData()
    tenant_aware(table("srd_shelf", metadata=metadata, nullable=True), shared_rows=null())
    tenant_aware(table("srd_case", metadata=metadata))
    link = child_table(
        "srd_link",
        metadata,
        Column("shelf_id", ForeignKey("srd_shelf.id"), nullable=False),
        Column("case_id", ForeignKey("srd_case.id"), nullable=False),
        UniqueConstraint("shelf_id", sqlite_on_conflict="REPLACE"),
    )
    engine = memory_engine()
    with (
        tenant_scope("acme"),
        engine.connect() as connection,
        pytest.raises(ConfigurationError, match="ON CONFLICT REPLACE"),
    ):
        connection.execute(select(link))


def found(metadata: MetaData) -> set[tuple[str, str]]:
    return {(each.kind, each.table or "") for each in examine(metadata)}


def test_doctor_knows_why_the_tenant_may_be_null() -> None:
    metadata = MetaData()
    tenant_aware(table("srd_null", metadata=metadata, nullable=True), shared_rows=null())
    tenant_aware(table("srd_value", metadata=metadata, nullable=True), shared_rows="everybody")
    tenant_aware(table("srd_none", metadata=metadata, nullable=True))
    nullable = {name for kind, name in found(metadata) if kind == "tenant-nullable"}
    assert nullable == {"srd_value", "srd_none"}


def test_doctor_finds_an_index_without_the_shared_rows() -> None:
    metadata = MetaData()
    partial = table("srd_partial", metadata=metadata, nullable=True, index=False)
    where = text("tenant_id IS NOT NULL")
    Index("srd_ix", partial.c.tenant_id, postgresql_where=where, sqlite_where=where)
    tenant_aware(partial, shared_rows=null())
    assert ("tenant-not-indexed", "srd_partial") in found(metadata)


def test_doctor_finds_a_unique_reference_to_shared_rows() -> None:
    metadata = MetaData()
    tenant_aware(table("srd_shelf", metadata=metadata, nullable=True), shared_rows=null())
    tenant_aware(table("srd_case", metadata=metadata))
    key: Column[int] = Column("shelf_id", ForeignKey("srd_shelf.id"), unique=True)
    tenant_aware(table("srd_place", key, metadata=metadata))
    own: Column[int] = Column("case_id", ForeignKey("srd_case.id"), unique=True)
    tenant_aware(table("srd_label", own, metadata=metadata))
    telling = {name for kind, name in found(metadata) if kind == "unique-without-tenant"}
    assert telling == {"srd_place"}


def test_doctor_proposes_no_foreign_key_with_the_tenant() -> None:
    metadata = MetaData()
    tenant_aware(table("srd_shelf", metadata=metadata, nullable=True), shared_rows=null())
    tenant_aware(
        table("srd_case", Column("shelf_id", ForeignKey("srd_shelf.id")), metadata=metadata)
    )
    assert "reference-without-tenant" not in {kind for kind, _ in found(metadata)}


def test_citus_distributes_no_table_with_shared_rows() -> None:
    metadata = MetaData()
    tenant_aware(table("srd_null", metadata=metadata, nullable=True), shared_rows=null())
    with pytest.raises(ConfigurationError, match="srd_null has rows that every tenant reads"):
        citus_statements(metadata)
