"""Mixins and abstract bases mark the models that are made from them."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, Integer, String, Table, select
from sqlalchemy.orm import Mapped, mapped_column

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

from .declaring import base, is_confined, names_seen


def test_a_mixin_marks_every_model_made_from_it() -> None:
    shared_base = base()

    @tenant_aware
    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    class First(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_first"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Second(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_second"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert is_confined(shared_base.metadata, select(First.id))
    assert is_confined(shared_base.metadata, select(Second.__table__.c.id))


def test_a_mixin_marks_with_its_own_column() -> None:
    shared_base = base()

    @tenant_aware(column="org_id")
    class OwnedByOrganisation:
        org_id: Mapped[int]

    class Mixed(OwnedByOrganisation, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_column"
        id: Mapped[int] = mapped_column(primary_key=True)

    seed = "INSERT INTO decl_mixed_column (id, org_id) VALUES (1, 7), (2, 8)"
    assert names_seen(shared_base.metadata, 7, select(Mixed.id), seed) == [1]


def test_a_model_of_a_marked_mixin_may_be_shared_on_purpose() -> None:
    shared_base = base()

    @tenant_aware
    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    @shared_across_tenants
    class Provider(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_shared"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Other(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_other"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert not is_confined(shared_base.metadata, select(Provider.id))
    assert is_confined(shared_base.metadata, select(Other.id))


def test_a_model_of_a_marked_mixin_may_be_marked_otherwise() -> None:
    shared_base = base()

    @tenant_aware
    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    @tenant_aware(column="org_id")
    class Mixed(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_otherwise"
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[int]

    seed = (
        "INSERT INTO decl_mixed_otherwise (id, tenant_id, org_id) VALUES (1, 'x', 7), (2, 'x', 8)"
    )
    assert names_seen(shared_base.metadata, 7, select(Mixed.id), seed) == [1]


def test_a_mixin_that_is_marked_later_leaves_what_its_model_says() -> None:
    shared_base = base()

    class OwnedByTenant:
        tenant_id: Mapped[str] = mapped_column(String(50))

    @tenant_aware(column="org_id")
    class Mixed(OwnedByTenant, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_before"
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[int]

    tenant_aware(OwnedByTenant)
    seed = "INSERT INTO decl_mixed_before (id, tenant_id, org_id) VALUES (1, 'x', 7), (2, 'x', 8)"
    assert names_seen(shared_base.metadata, 7, select(Mixed.id), seed) == [1]


def test_a_model_of_its_own_mark_cannot_be_marked_otherwise() -> None:
    shared_base = base()

    @tenant_aware
    class Mixed(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_mixed_twice"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str] = mapped_column(String(50))

    with pytest.raises(ConfigurationError, match="declared twice"):
        shared_across_tenants(Mixed)


def test_an_abstract_base_marks_every_model_made_from_it() -> None:
    shared_base = base()

    @tenant_aware
    class Owned(shared_base):  # type: ignore[misc, valid-type]
        __abstract__ = True
        tenant_id: Mapped[str]

    class Made(Owned):
        __tablename__ = "decl_from_abstract"
        id: Mapped[int] = mapped_column(primary_key=True)

    assert is_confined(shared_base.metadata, select(Made.id))


def test_a_model_of_a_marked_mixin_without_the_column_is_an_error_at_definition() -> None:
    @tenant_aware
    class Marked:
        pass

    with pytest.raises(ConfigurationError, match=r"decl_mixin_lacks.*tenant_id"):

        class Made(Marked, base()):  # type: ignore[misc]
            __tablename__ = "decl_mixin_lacks"
            id: Mapped[int] = mapped_column(primary_key=True)


def test_a_model_of_a_marked_abstract_base_may_be_shared_on_purpose() -> None:
    shared_base = base()

    @tenant_aware
    class Owned(shared_base):  # type: ignore[misc, valid-type]
        __abstract__ = True
        tenant_id: Mapped[str | None]

    table = Table(
        "decl_opted_out",
        shared_base.metadata,
        Column("id", Integer, primary_key=True),
        Column("tenant_id", String),
    )
    shared_across_tenants(table)

    class OptedOut(Owned):
        __table__ = table

    assert not is_confined(shared_base.metadata, select(OptedOut))
