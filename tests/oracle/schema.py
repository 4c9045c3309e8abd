"""The tables that the oracle's statements are about, and their rows.

Nothing here knows of the adapter: :func:`mark` declares what belongs to tenants, so that
a process that never calls it runs the very same statements without any guard.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

from sqlalchemy import Column, ForeignKey, Integer, MetaData, String, Table, Text, func, select
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
    "TENANT",
    "Base",
    "Berth",
    "Bill",
    "ColdDepot",
    "Cook",
    "Depot",
    "Document",
    "Fleet",
    "Harbour",
    "Officer",
    "Permit",
    "Row",
    "Sailor",
    "Stop",
    "Vessel",
    "Voyage",
    "boarding",
    "mark",
    "plain_tables",
    "remark",
    "rows",
    "rows_of",
]

TENANT: Final = "A"
"""The tenant in whose scope the statements run; ``B`` and ``C`` are the others."""


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
    parent: Mapped[Vessel | None] = relationship(back_populates="children", remote_side=[id])
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
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "sailor"}

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
    __mapper_args__ = {"polymorphic_identity": "officer"}

    stars: Mapped[int | None] = mapped_column(nullable=True)


class Cook(Sailor):
    __mapper_args__ = {"polymorphic_identity": "cook"}

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
    __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "document"}

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    kind: Mapped[str] = mapped_column(String(20))
    title: Mapped[str] = mapped_column(String(20))
    vessel_id: Mapped[int | None] = mapped_column(ForeignKey("vessel.id"))
    vessel: Mapped[Vessel | None] = relationship()


class Bill(Document):
    __tablename__ = "bill"
    __mapper_args__ = {"polymorphic_identity": "bill"}

    id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    amount: Mapped[int | None]


class Permit(Document):
    __tablename__ = "permit"
    __mapper_args__ = {"polymorphic_identity": "permit"}

    id: Mapped[int] = mapped_column(ForeignKey("document.id"), primary_key=True)
    harbour_id: Mapped[int | None] = mapped_column(ForeignKey("harbour.id"))
    harbour: Mapped[Harbour | None] = relationship()


class Depot(ConcreteBase, Base):
    """Concrete inheritance."""

    __tablename__ = "depot"
    __mapper_args__ = {"polymorphic_identity": "depot", "concrete": True}

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    name: Mapped[str] = mapped_column(String(20))
    room: Mapped[int | None]


class ColdDepot(Depot):
    __tablename__ = "cold_depot"
    __mapper_args__ = {"polymorphic_identity": "cold_depot", "concrete": True}

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
Fleet.vessel_count = column_property(  # type: ignore[attr-defined]
    select(func.count(Vessel.id))
    .where(Vessel.fleet_id == Fleet.id)
    .correlate_except(Vessel)
    .scalar_subquery(),
    deferred=True,
)


def mark() -> None:
    """Declare the tables to the adapter."""
    from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

    for owned in (Fleet, Sailor, Document, Depot, ColdDepot, Berth, remark):
        tenant_aware(owned)
    tenant_aware(Vessel, column="org_id")
    tenant_aware(Voyage, through="vessel")
    shared_across_tenants(Harbour)


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


# -- rows ------------------------------------------------------------------------

Row: TypeAlias = tuple[str, str | None, dict[str, Any]]
"""A table's full name, whose row it is, and the values by column name. A row of ``None``
belongs to everybody where the table is shared, and to nobody where it is not."""

_SHARED: Final = frozenset({"harbour"})


def rows() -> Iterator[tuple[str, str | None, dict[str, Any]]]:
    """Yield the rows of all tenants.

    The tenants' values overlap, so that a statement that sees too much finds partners
    and counts differently; some foreign keys point at another tenant's row, as they may
    in a database that was not guarded from its first day.
    """
    for number in range(1, 5):
        depth = None if number == 4 else number * 3
        yield "harbour", None, {"id": number, "name": f"h{number}", "depth": depth}
    for start, tenant in ((0, "A"), (100, "B"), (200, "C")):
        yield from _owned(tenant, start, 6 if tenant == "A" else 4)
    yield from _mixed_up()


def _cycle(values: list[Any], position: int) -> Any:
    return values[position % len(values)]


def _owned(tenant: str, start: int, count: int) -> Iterator[Row]:
    for n in range(1, count + 1):
        key = start + n
        fleet = _cycle([start + 1, start + 2, None], n)
        vessel = _cycle([start + 1, start + 2, start + 3, None], n)
        sure = start + 1 + n % 3
        yield (
            "fleet",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "name": f"f{n % 4}",
                "size": _cycle([1, 2, 3, None], n),
                "harbour_id": _cycle([1, 2, None], n),
            },
        )
        yield (
            "vessel",
            tenant,
            {
                "id": key,
                "org_id": tenant,
                "fleet_id": fleet,
                "parent_id": None if n < 3 else start + n // 2,
                "name": f"v{n % 3}",
                "tonnage": _cycle([2, 5, None, 7], n + len(tenant)),
                "log": f"log {tenant}{n}",
            },
        )
        yield (
            "voyage",
            tenant,
            {
                "id": key,
                "vessel_id": sure,
                "harbour_id": _cycle([1, 3, None], n),
                "days": n % 4,
                "cost": _cycle([4, None, 6], n),
            },
        )
        yield (
            "stop",
            tenant,
            {"id": key, "voyage_id": start + 1 + n % 2, "hours": n % 3, "label": f"s{n % 2}"},
        )
        kind = _cycle(["sailor", "officer", "cook"], n)
        yield (
            "sailor",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "kind": kind,
                "name": f"n{n % 4}",
                "grade": _cycle([1, None, 3], n // 2),
                "fleet_id": fleet,
                "stars": n if kind == "officer" else None,
                "dish": f"d{n % 2}" if kind == "cook" else None,
            },
        )
        yield "boarding", tenant, {"vessel_id": sure, "sailor_id": key}
        kind = _cycle(["bill", "permit", "document"], n)
        yield (
            "document",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "kind": kind,
                "title": f"t{n % 3}",
                "vessel_id": vessel,
            },
        )
        if kind == "bill":
            yield "bill", tenant, {"id": key, "amount": _cycle([10, None, 30], n // 3)}
        if kind == "permit":
            yield "permit", tenant, {"id": key, "harbour_id": _cycle([2, None], n // 3)}
        own = {"id": key, "tenant_id": tenant, "name": f"p{n % 3}", "room": _cycle([5, None], n)}
        yield "depot", tenant, own
        if n < 4:
            yield "cold_depot", tenant, {**own, "id": start + 50 + n, "degrees": -n}
        yield (
            "berth",
            tenant,
            {
                "tenant_id": tenant,
                "number": n,
                "label": f"{tenant.lower()}{n}",
                "length": _cycle([8, 9, None], n),
            },
        )
        yield (
            "yard.remark",
            tenant,
            {
                "id": key,
                "tenant_id": tenant,
                "vessel_id": vessel,
                "body": f"b{n % 3}",
                "stars": _cycle([1, 5, None], n),
            },
        )


def _mixed_up() -> Iterator[Row]:
    """Rows that refer to another tenant's."""
    vessel = {"parent_id": None, "name": "v1", "tonnage": 5, "log": "x"}
    yield "vessel", "A", {**vessel, "id": 11, "org_id": "A", "fleet_id": 101}
    yield "vessel", "A", {**vessel, "id": 12, "org_id": "A", "fleet_id": 1, "parent_id": 102}
    yield "vessel", "B", {**vessel, "id": 111, "org_id": "B", "fleet_id": 1, "parent_id": 1}
    sailor = {"kind": "sailor", "name": "n1", "grade": 3, "stars": None, "dish": None}
    yield "sailor", "A", {**sailor, "id": 11, "tenant_id": "A", "fleet_id": 102}
    yield "sailor", "B", {**sailor, "id": 111, "tenant_id": "B", "fleet_id": 2}
    document = {"kind": "document", "title": "t1"}
    yield "document", "A", {**document, "id": 11, "tenant_id": "A", "vessel_id": 103}
    yield "document", "B", {**document, "id": 111, "tenant_id": "B", "vessel_id": 2}
    remarked = {"body": "b1", "stars": 5}
    yield "yard.remark", "A", {**remarked, "id": 11, "tenant_id": "A", "vessel_id": 101}
    yield "yard.remark", "B", {**remarked, "id": 111, "tenant_id": "B", "vessel_id": 1}
    # Each parent is another tenant's, so neither of them has the row.
    yield "boarding", None, {"vessel_id": 1, "sailor_id": 101}
    yield "boarding", None, {"vessel_id": 102, "sailor_id": 2}
    yield "boarding", "B", {"vessel_id": 111, "sailor_id": 111}


def rows_of(tenant: str) -> Iterator[Row]:
    """Yield the rows of ``tenant`` and the shared ones."""
    for table, owner, values in rows():
        if owner == tenant or table in _SHARED:
            yield table, owner, values
