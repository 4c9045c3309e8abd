"""The tables that the oracle's statements are about.

Nothing here knows of the adapter: :func:`mark` declares what belongs to tenants, so that
a process that never calls it runs the very same statements without any guard.
"""

from __future__ import annotations

from typing import Final, cast

from sqlalchemy import (
    Column,
    ForeignKey,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    func,
    null,
    select,
)
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    WriteOnlyMapped,
    column_property,
    deferred,
    mapped_column,
    query_expression,
    relationship,
)

__all__ = [
    "Base",
    "Berth",
    "Bill",
    "ColdDepot",
    "Cook",
    "Depot",
    "Document",
    "Fleet",
    "Harbour",
    "Levy",
    "Officer",
    "Permit",
    "Sailor",
    "Stop",
    "Tariff",
    "Vessel",
    "Voyage",
    "boarding",
    "mark",
    "plain_tables",
    "remark",
    "table_of",
]


class Base(DeclarativeBase):
    pass


class Harbour(Base):
    """Shared across tenants."""

    __tablename__ = "harbour"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20))
    depth: Mapped[int | None]
    fleets: Mapped[list[Fleet]] = relationship(back_populates="harbour", order_by="Fleet.id")
    voyages: Mapped[list[Voyage]] = relationship(back_populates="harbour", order_by="Voyage.id")


class Fleet(Base):
    __tablename__ = "fleet"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    size: Mapped[int | None]
    harbour_id: Mapped[int | None] = mapped_column(ForeignKey("harbour.id"))
    harbour: Mapped[Harbour | None] = relationship(back_populates="fleets")
    vessels: Mapped[list[Vessel]] = relationship(back_populates="fleet", order_by="Vessel.id")
    written: WriteOnlyMapped[Vessel] = relationship(viewonly=True, order_by="Vessel.id")
    dynamic: DynamicMapped[Vessel] = relationship(viewonly=True, order_by="Vessel.id")
    sailors: Mapped[list[Sailor]] = relationship(back_populates="fleet", order_by="Sailor.id")
    extra: Mapped[int | None] = query_expression()


class Vessel(Base):
    __tablename__ = "vessel"

    id: Mapped[int] = mapped_column(primary_key=True)
    org_id: Mapped[str] = mapped_column(String(20))
    fleet_id: Mapped[int | None] = mapped_column(ForeignKey("fleet.id"))
    parent_id: Mapped[int | None] = mapped_column(ForeignKey("vessel.id"))
    name: Mapped[str] = mapped_column(String(20))
    tonnage: Mapped[int | None]
    log: Mapped[str | None] = deferred(mapped_column(Text))
    fleet: Mapped[Fleet | None] = relationship(back_populates="vessels")
    parent: Mapped[Vessel | None] = relationship(back_populates="children", remote_side="Vessel.id")
    children: Mapped[list[Vessel]] = relationship(back_populates="parent", order_by="Vessel.id")
    voyages: Mapped[list[Voyage]] = relationship(back_populates="vessel", order_by="Voyage.id")
    crew: Mapped[list[Sailor]] = relationship(
        secondary="boarding", back_populates="aboard", order_by="Sailor.id"
    )


class Voyage(Base):
    """Tied to its tenant through the vessel."""

    __tablename__ = "voyage"

    id: Mapped[int] = mapped_column(primary_key=True)
    vessel_id: Mapped[int] = mapped_column(ForeignKey("vessel.id"))
    harbour_id: Mapped[int | None] = mapped_column(ForeignKey("harbour.id"))
    days: Mapped[int]
    cost: Mapped[int | None]
    vessel: Mapped[Vessel] = relationship(back_populates="voyages")
    harbour: Mapped[Harbour | None] = relationship(back_populates="voyages")
    stops: Mapped[list[Stop]] = relationship(back_populates="voyage", order_by="Stop.id")


class Stop(Base):
    """Tied through the voyage, which is tied itself; not marked."""

    __tablename__ = "stop"

    id: Mapped[int] = mapped_column(primary_key=True)
    voyage_id: Mapped[int] = mapped_column(ForeignKey("voyage.id"))
    hours: Mapped[int | None]
    label: Mapped[str] = mapped_column(String(20))
    voyage: Mapped[Voyage] = relationship(back_populates="stops")


class Sailor(Base):
    """Single-table inheritance."""

    __tablename__ = "sailor"
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": "kind",
        "polymorphic_identity": "sailor",
    }

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    grade: Mapped[int | None]
    fleet_id: Mapped[int | None] = mapped_column(ForeignKey("fleet.id"))
    fleet: Mapped[Fleet | None] = relationship(back_populates="sailors")
    aboard: Mapped[list[Vessel]] = relationship(
        secondary="boarding", back_populates="crew", order_by="Vessel.id"
    )


class Officer(Sailor):
    __mapper_args__ = {"polymorphic_identity": "officer"}  # noqa: RUF012

    stars: Mapped[int | None] = mapped_column(nullable=True)


class Cook(Sailor):
    __mapper_args__ = {"polymorphic_identity": "cook"}  # noqa: RUF012

    dish: Mapped[str | None] = mapped_column(String(20), nullable=True)


boarding: Final = Table(
    "boarding",
    Base.metadata,
    Column("vessel_id", ForeignKey("vessel.id"), primary_key=True),
    Column("sailor_id", ForeignKey("sailor.id"), primary_key=True),
)
"""An association table: belongs to whom both of its parents belong."""


class Document(Base):
    """Joined inheritance."""

    __tablename__ = "document"
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_on": "kind",
        "polymorphic_identity": "document",
    }

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(20))
    vessel_id: Mapped[int | None] = mapped_column(ForeignKey("vessel.id"))
    vessel: Mapped[Vessel | None] = relationship()


class Bill(Document):
    __tablename__ = "bill"
    __mapper_args__ = {"polymorphic_identity": "bill"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    amount: Mapped[int | None]


class Permit(Document):
    __tablename__ = "permit"
    __mapper_args__ = {"polymorphic_identity": "permit"}  # noqa: RUF012

    id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    harbour_id: Mapped[int | None] = mapped_column(ForeignKey("harbour.id"))
    harbour: Mapped[Harbour | None] = relationship()


class Depot(ConcreteBase, Base):
    """Concrete inheritance."""

    __tablename__ = "depot"
    __mapper_args__ = {"polymorphic_identity": "depot", "concrete": True}  # noqa: RUF012

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    room: Mapped[int | None]


class ColdDepot(Depot):
    __tablename__ = "cold_depot"
    __mapper_args__ = {  # noqa: RUF012
        "polymorphic_identity": "cold_depot",
        "concrete": True,
    }

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    room: Mapped[int | None]
    degrees: Mapped[int | None]


class Berth(Base):
    """Each tenant numbers its own: the primary key is theirs together."""

    __tablename__ = "berth"

    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    label: Mapped[str] = mapped_column(String(20))
    length: Mapped[int | None]


class Tariff(Base):
    """Some rows are everybody's."""

    __tablename__ = "tariff"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str | None] = mapped_column(String(20))
    harbour_id: Mapped[int | None] = mapped_column(ForeignKey("harbour.id"))
    name: Mapped[str] = mapped_column(String(20))
    rate: Mapped[int | None]
    harbour: Mapped[Harbour | None] = relationship()
    levies: Mapped[list[Levy]] = relationship(back_populates="tariff", order_by="Levy.id")


class Levy(Base):
    """Tied through the tariff, so some rows are everybody's, too."""

    __tablename__ = "levy"

    id: Mapped[int] = mapped_column(primary_key=True)
    tariff_id: Mapped[int] = mapped_column(ForeignKey("tariff.id"))
    label: Mapped[str] = mapped_column(String(20))
    amount: Mapped[int | None]
    tariff: Mapped[Tariff] = relationship(back_populates="levies")


remark: Final = Table(
    "remark",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(20), nullable=False, key="whose"),
    Column("vessel_id", ForeignKey("vessel.id")),
    Column("body", String(20)),
    Column("stars", Integer),
    schema="yard",
)
"""A Core table in a schema of its own, with a key that is not the column's name."""


# After the classes, since it is about both of them.
Fleet.vessel_count = column_property(
    select(func.count(Vessel.id))
    .where(Vessel.fleet_id == Fleet.id)
    .correlate_except(Vessel)
    .scalar_subquery(),
    deferred=True,
)


def table_of(kind: type[Base]) -> Table:
    """Return the table that ``kind`` is mapped to."""
    return cast("Table", kind.__table__)


def mark() -> None:
    """Declare the tables to the adapter."""
    from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

    for owned in (Fleet, Sailor, Document, Depot, ColdDepot, Berth, remark):
        tenant_aware(owned)
    tenant_aware(Vessel, column="org_id")
    tenant_aware(Voyage, through="vessel")
    tenant_aware(Tariff, shared_rows=null())
    shared_across_tenants(Harbour)


def policies() -> list[str]:
    """Return the statements that protect the tables in PostgreSQL itself."""
    from tenantshield_mw.adapters.sqlalchemy import rls

    mark()
    return rls.policy_statements(Base.metadata)


MENDING: Final = tuple(
    f"UPDATE {child} SET {column} = NULL WHERE NOT EXISTS (SELECT 1 FROM {parent} AS parent "
    f"WHERE parent.id = {child}.{column} AND parent.{theirs} = {child}.{ours})"
    for child, ours, column, parent, theirs in (
        ("sailor", "tenant_id", "fleet_id", "fleet", "tenant_id"),
        ("vessel", "org_id", "fleet_id", "fleet", "tenant_id"),
        ("vessel", "org_id", "parent_id", "vessel", "org_id"),
        ("document", "tenant_id", "vessel_id", "vessel", "org_id"),
        ("yard.remark", "tenant_id", "vessel_id", "vessel", "org_id"),
    )
)
"""What takes out references from one tenant's rows to another's. A policy looks at a row
as it is written, and refuses every change to one that has such a reference."""


def plain_tables() -> MetaData:
    """Return the tables without the database's own foreign keys.

    With them, a row that still refers to another tenant's could not be stored, and a
    statement would end in an error as soon as it deletes a row that is referred to.
    """
    plain = MetaData()
    for table in Base.metadata.sorted_tables:
        columns = [
            Column(each.name, each.type, primary_key=each.primary_key, nullable=each.nullable)
            for each in table.columns
        ]
        for column in columns:
            column.autoincrement = False
        Table(table.name, plain, *columns, schema=table.schema)
    return plain
