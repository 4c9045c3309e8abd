"""Subclasses are covered by their base's declaration, or by their own column."""

from __future__ import annotations

import pytest
from sqlalchemy import Column, ForeignKey, Integer, Table, select
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import Mapped, configure_mappers, mapped_column

from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware

from .declaring import base, names_seen


def test_single_table_subclasses_are_covered_by_their_base() -> None:
    shared_base = base()

    @tenant_aware
    class Paper(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_single"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "paper"}  # noqa: RUF012

    class Contract(Paper):
        __mapper_args__ = {"polymorphic_identity": "contract"}  # noqa: RUF012

    seed = (
        "INSERT INTO decl_single (id, tenant_id, kind) VALUES "
        "(1, 'acme', 'contract'), (2, 'globex', 'contract'), (3, 'acme', 'paper')"
    )
    metadata = shared_base.metadata
    assert names_seen(metadata, "acme", select(Contract.id), seed) == [1]
    assert names_seen(metadata, "acme", select(Paper.id), seed) == [1, 3]


def test_joined_subclasses_are_covered_by_their_base_also_alone() -> None:
    shared_base = base()

    @tenant_aware
    class Party(shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_joined"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        kind: Mapped[str]
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "party"}  # noqa: RUF012

    class Company(Party):
        __tablename__ = "decl_joined_company"
        id: Mapped[int] = mapped_column(ForeignKey("decl_joined.id"), primary_key=True)
        vat: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "company"}  # noqa: RUF012

    seed = (
        (
            "INSERT INTO decl_joined (id, tenant_id, kind) VALUES "
            "(1, 'acme', 'company'), (2, 'globex', 'company')"
        ),
        "INSERT INTO decl_joined_company (id, vat) VALUES (1, 'ours'), (2, 'theirs')",
    )
    metadata = shared_base.metadata
    alone = metadata.tables["decl_joined_company"]
    assert names_seen(metadata, "acme", select(Company.vat), *seed) == ["ours"]
    assert names_seen(metadata, "acme", select(alone.c.vat), *seed) == ["ours"]


def test_concrete_subclasses_are_covered_by_their_own_column() -> None:
    shared_base = base()

    @tenant_aware
    class Device(ConcreteBase, shared_base):  # type: ignore[misc, valid-type]
        __tablename__ = "decl_concrete"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "device", "concrete": True}  # noqa: RUF012

    class Printer(Device):
        __tablename__ = "decl_concrete_printer"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]
        __mapper_args__ = {"polymorphic_identity": "printer", "concrete": True}  # noqa: RUF012

    configure_mappers()
    seed = (
        "INSERT INTO decl_concrete VALUES (1, 'acme'), (2, 'globex')",
        "INSERT INTO decl_concrete_printer VALUES (3, 'acme'), (4, 'globex')",
    )
    metadata = shared_base.metadata
    assert names_seen(metadata, "acme", select(Printer.id), *seed) == [3]
    assert names_seen(metadata, "acme", select(Device.id), *seed) == [1, 3]


def test_a_concrete_subclass_without_the_column_is_an_error_at_definition() -> None:
    @tenant_aware
    class Machine(base()):  # type: ignore[misc]
        __tablename__ = "decl_concrete_lacking"
        id: Mapped[int] = mapped_column(primary_key=True)
        tenant_id: Mapped[str]

    table = Table(
        "decl_concrete_lacking_sub", Machine.metadata, Column("id", Integer, primary_key=True)
    )
    namespace = {"__table__": table, "__mapper_args__": {"concrete": True}}
    with pytest.raises(ConfigurationError, match=r"decl_concrete_lacking_sub.*tenant_id"):
        type("Lathe", (Machine,), namespace)
