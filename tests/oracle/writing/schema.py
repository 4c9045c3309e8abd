"""The tables that composed writes are about: one of each kind that the guard tells apart."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, cast

from sqlalchemy import (
    Column,
    Computed,
    DefaultClause,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    Sequence,
    String,
    Table,
    UniqueConstraint,
    func,
    select,
    text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware

__all__ = [
    "ENTITIES",
    "OWNERS",
    "TABLES",
    "TENANT_COLUMNS",
    "Artisan",
    "Bench",
    "Booth",
    "Commission",
    "Guild",
    "Journal",
    "Lease",
    "Market",
    "Province",
    "Stage",
    "created_tables",
    "guild_artisan",
    "mark",
    "references",
    "seal",
    "unique_keys",
    "voucher",
]

UNENFORCED: Final = {"unenforced": True}
"""``info`` of a foreign key that the database does not have, only the models."""


class Base(DeclarativeBase):
    pass


class Province(Base):
    """Shared; nothing happens to other rows with it."""

    __tablename__ = "province"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    weight: Mapped[int | None]


class Market(Base):
    """Shared, with a key along which the database deletes tenants' rows."""

    __tablename__ = "market"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    fee: Mapped[int | None]


class Guild(Base):
    __tablename__ = "guild"
    __table_args__ = (UniqueConstraint("tenant_id", "code"),)

    id: Mapped[int] = mapped_column(Sequence("guild_numbers", start=5001), primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    code: Mapped[str | None] = mapped_column(String(40))
    name: Mapped[str | None] = mapped_column(String(40), onupdate="renamed")
    size: Mapped[int | None]
    doubled: Mapped[int | None] = mapped_column(Computed("size * 2", persisted=True))


class Artisan(Base):
    """Refers to itself; some attributes are not called like their columns."""

    __tablename__ = "artisan"

    id: Mapped[int] = mapped_column(primary_key=True)
    org: Mapped[str] = mapped_column("org_id", String(20))
    badge: Mapped[str | None] = mapped_column(String(40), unique=True)
    guild_ref: Mapped[int | None] = mapped_column(
        "guild_id", ForeignKey("guild.id", ondelete="SET NULL")
    )
    mentor_id: Mapped[int | None] = mapped_column(ForeignKey("artisan.id", ondelete="SET NULL"))
    province_id: Mapped[int | None] = mapped_column(ForeignKey("province.id"))
    name: Mapped[str | None] = mapped_column(String(40))
    grade: Mapped[int | None] = mapped_column(default=1)
    joined: Mapped[int | None] = mapped_column(default=lambda: 7, onupdate=lambda: 8)
    level: Mapped[int | None] = mapped_column(server_default="3")


class Commission(Base):
    """Tied to its tenant through the artisan."""

    __tablename__ = "commission"

    id: Mapped[int] = mapped_column(primary_key=True)
    artisan_id: Mapped[int] = mapped_column(ForeignKey("artisan.id", ondelete="CASCADE"))
    province_id: Mapped[int | None] = mapped_column(ForeignKey("province.id"))
    title: Mapped[str | None] = mapped_column(String(40))
    price: Mapped[int | None]


class Stage(Base):
    """Tied through two levels, and refers to itself."""

    __tablename__ = "stage"

    id: Mapped[int] = mapped_column(primary_key=True)
    commission_id: Mapped[int] = mapped_column(ForeignKey("commission.id", ondelete="CASCADE"))
    next_id: Mapped[int | None] = mapped_column(ForeignKey("stage.id", ondelete="SET NULL"))
    name: Mapped[str | None] = mapped_column(String(40))
    size: Mapped[int | None]


guild_artisan: Final = Table(
    "guild_artisan",
    Base.metadata,
    Column("guild_id", ForeignKey("guild.id"), primary_key=True),
    Column("artisan_id", ForeignKey("artisan.id"), primary_key=True),
)
"""An association table: belongs to whom both of its parents belong."""


class Booth(Base):
    """Goes with a row that is shared."""

    __tablename__ = "booth"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    market_id: Mapped[int | None] = mapped_column(
        ForeignKey("market.id", ondelete="CASCADE", onupdate="CASCADE")
    )
    guild_id: Mapped[int | None] = mapped_column(ForeignKey("guild.id"), default=lambda: 101)
    name: Mapped[str | None] = mapped_column(String(40))
    width: Mapped[int | None]


class Journal(Base):
    """Not declared at all."""

    __tablename__ = "journal"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str | None] = mapped_column(String(40))
    size: Mapped[int | None]
    guild_id: Mapped[int | None] = mapped_column(ForeignKey("guild.id", ondelete="SET NULL"))


class Bench(Base):
    """Each tenant numbers its own."""

    __tablename__ = "bench"

    tenant_id: Mapped[str] = mapped_column(String(20), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    name: Mapped[str | None] = mapped_column(String(40))
    width: Mapped[int | None]


class Lease(Base):
    """Refers by a key of two columns, by one that the database does not know, and by a
    default that is a query."""

    __tablename__ = "lease"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "bench_number"], ["bench.tenant_id", "bench.number"]),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    bench_number: Mapped[int | None]
    guild_id: Mapped[int | None] = mapped_column(ForeignKey("guild.id", info=UNENFORCED))
    artisan_id: Mapped[int | None] = mapped_column(
        ForeignKey("artisan.id", ondelete="SET NULL"),
        default=select(func.max(Artisan.id)).scalar_subquery(),
    )
    name: Mapped[str | None] = mapped_column(String(40))
    size: Mapped[int | None]


seal: Final = Table(
    "Wax Seal",
    Base.metadata,
    Column("Id", Integer, primary_key=True, key="id"),
    Column("Tenant Id", String(20), nullable=False, key="owner"),
    Column("Guild", ForeignKey("guild.id", ondelete="SET NULL"), key="guild_ref"),
    Column("order", String(40), key="name"),
    Column("SIZE", Integer, key="size"),
)
"""Names that have to be quoted, and keys that are other names."""

voucher: Final = Table(
    "voucher",
    Base.metadata,
    Column("id", Integer, primary_key=True),
    Column("tenant_id", String(20), nullable=False),
    # The database itself would refer to another tenant's row.
    Column("guild_id", ForeignKey("guild.id"), server_default="1"),
    Column("name", String(40), server_default="made"),
    Column("size", Integer),
)

TABLES: Final[tuple[Table, ...]] = tuple(Base.metadata.sorted_tables)

ENTITIES: Final[dict[Table, Any]] = {
    cast("Table", each.__table__): each
    for each in (
        Province,
        Market,
        Guild,
        Artisan,
        Commission,
        Stage,
        Booth,
        Journal,
        Bench,
        Lease,
    )
}

TENANT_COLUMNS: Final[dict[str, str]] = {
    "guild": "tenant_id",
    "artisan": "org_id",
    "booth": "tenant_id",
    "bench": "tenant_id",
    "lease": "tenant_id",
    "Wax Seal": "Tenant Id",
    "voucher": "tenant_id",
}
"""The tables that have a tenant column, and its name."""

OWNERS: Final[dict[str, dict[str, str]]] = {
    "commission": {"artisan_id": "artisan"},
    "stage": {"commission_id": "commission"},
    "guild_artisan": {"guild_id": "guild", "artisan_id": "artisan"},
}
"""The tables whose rows belong to a tenant through all of these columns, and their parents."""


def mark() -> None:
    """Declare the tables to the adapter."""
    for owned in (Guild, Booth, Bench, Lease, voucher):
        tenant_aware(owned)
    tenant_aware(Artisan, column="org_id")
    tenant_aware(seal, column="owner")
    shared_across_tenants(Province)
    shared_across_tenants(Market)


def references(table: Table) -> Iterator[tuple[str, str]]:
    """Yield the foreign keys of one column: its name, and the table whose ``id`` it holds."""
    for column in table.c:
        for key in column.foreign_keys:
            if len(key.constraint.elements) == 1:  # type: ignore[union-attr]
                yield column.name, key.column.table.name


def unique_keys(table: Table) -> Iterator[tuple[str, ...]]:
    """Yield the names of the columns of each unique key of ``table``."""
    yield tuple(each.name for each in table.primary_key)
    for constraint in table.constraints:
        if isinstance(constraint, UniqueConstraint):
            yield tuple(each.name for each in constraint.columns)


def created_tables(tenant: str | None) -> MetaData:
    """Return the tables as they are created.

    Args:
        tenant: what the database puts into a tenant column that is left out.
    """
    metadata = MetaData()
    for table in TABLES:
        created = table.to_metadata(metadata)
        for constraint in list(created.foreign_key_constraints):
            if constraint.elements[0].info:
                created.constraints.discard(constraint)
        for column in created.c:
            if tenant is not None and column.name == TENANT_COLUMNS.get(table.name):
                column.server_default = DefaultClause(text(f"'{tenant}'"))
    return metadata
