"""Tables in whose definition something acts by itself, beside those of ``schema``.

Actions of foreign keys, constraints that replace rows, inheritance, collations, computed
keys and narrow tenant columns. Some of it one kind of database alone has; the others get
the table without.
"""

# The mixin that brings the tenant column is another one for each protection.
# mypy: disable-error-code="misc,valid-type"
# pyright: reportUntypedBaseClass=false, reportUnusedClass=false

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any, Final

from sqlalchemy import (
    CHAR,
    Column,
    Computed,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    TypeDecorator,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ExcludeConstraint
from sqlalchemy.orm import Mapped, mapped_column, relationship

from .protections import Protection

__all__ = ["LONG_KEY", "LONG_TENANT", "Guid", "define_effects", "elsewhere"]

LONG_TENANT: Final = "org_" + "x" * 59
LONG_KEY: Final = "invoice_" + "x" * 55
"""Names of 63 bytes, to which PostgreSQL cuts a longer one."""

CASCADE: dict[str, Any] = {"onupdate": "CASCADE", "ondelete": "CASCADE"}
MARIADB: Any = ("mysql", "mariadb")


class Guid(TypeDecorator[uuid.UUID]):
    """A UUID in a CHAR(32), the recipe from before SQLAlchemy had Uuid."""

    impl = CHAR(32)
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Any) -> str | None:
        return None if value is None else uuid.UUID(str(value)).hex

    def process_result_value(self, value: Any, dialect: Any) -> uuid.UUID | None:
        return None if value is None else uuid.UUID(value)


def code_type(**sqlite: Any) -> Any:
    """Return the type of codes in which case counts, except as told for SQLite."""
    exact: Any = String(20).with_variant(String(20, collation="utf8mb4_bin"), "mysql", "mariadb")
    return exact.with_variant(String(20, **sqlite), "sqlite")


def define_effects(p: Protection, base: Any) -> Iterator[Any]:
    """Yield the models, marked for ``p``."""
    yield from _with_actions(p, base)
    yield from _with_references(p, base)
    yield from _with_constraints(p, base)
    yield from _with_tenants(p, base)
    yield from _with_limits(p, base)


def _with_actions(p: Protection, base: Any) -> Iterator[Any]:
    own = p.own

    @p.shared
    class Unit(base):
        """What tenants' rows follow when it changes."""

        __tablename__ = "acct_unit"
        code: Mapped[str] = mapped_column(String(3), primary_key=True)
        name: Mapped[str] = mapped_column(String(40))

    @p.aware
    class Price(own, base):
        __tablename__ = "acct_price"
        id: Mapped[int] = mapped_column(primary_key=True)
        unit: Mapped[str] = mapped_column(ForeignKey("acct_unit.code", **CASCADE))
        label: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Part(own, base):
        """Codes that are unique for each tenant alone."""

        __tablename__ = "acct_part"
        __table_args__ = (UniqueConstraint("code", p.key),)
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[str] = mapped_column(code_type())
        label: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Stock(own, base):
        """Refers to a part by its code; of the databases, MariaDB alone accepts that."""

        __tablename__ = "acct_stock"
        __table_args__ = (
            ForeignKeyConstraint(["part_code"], ["acct_part.code"], **CASCADE).ddl_if(
                dialect=MARIADB
            ),
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        part_code: Mapped[str | None] = mapped_column(code_type())
        label: Mapped[str] = mapped_column(String(80))

    yield from (Unit, Price, Part, Stock)


def _with_references(p: Protection, base: Any) -> Iterator[Any]:
    own = p.own

    @p.shared
    class Featured(base):
        """The same for everybody, though its rows refer to tenants' rows."""

        __tablename__ = "acct_featured"
        id: Mapped[int] = mapped_column(primary_key=True)
        invoice_id: Mapped[int | None] = mapped_column(ForeignKey("acct_invoice.id"))
        customer_id: Mapped[int | None]
        headline: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Node(own, base):
        """Refers to itself, and has a code besides its key."""

        __tablename__ = "acct_node"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("acct_node.id"))
        code: Mapped[str] = mapped_column(String(20), unique=True)
        parent: Mapped[Any] = relationship("Node", remote_side="Node.id")

    @p.aware
    class Sample(own, base):
        """A key that the database computes."""

        __tablename__ = "acct_sample"
        id: Mapped[int] = mapped_column(primary_key=True)
        base: Mapped[int]
        customer_id: Mapped[int | None] = mapped_column(
            Computed("base", persisted=True), ForeignKey("acct_customer.id")
        )
        label: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Errand(own, base):
        """A nullable reference that the database keeps within the tenant."""

        __tablename__ = "acct_errand"
        __table_args__ = (p.tenant_key("account_id", "acct_account"),)
        id: Mapped[int] = mapped_column(primary_key=True)
        account_id: Mapped[int | None]
        text: Mapped[str] = mapped_column(String(80))
        account: Mapped[Any] = relationship("Account", back_populates="errands")

    yield from (Featured, Node, Sample, Errand)


def _with_constraints(p: Protection, base: Any) -> Iterator[Any]:
    own = p.own

    @p.shared
    class Document(base):
        __tablename__ = "acct_document"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        title: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Contract(own, base):
        """On PostgreSQL, its rows are rows of the shared table as well."""

        __tablename__ = "acct_contract"
        __table_args__ = {"postgresql_inherits": "acct_document"}  # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        title: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Slot(own, base):
        """SQLite deletes the row that is in the way of a new one."""

        __tablename__ = "acct_slot"
        __table_args__ = (UniqueConstraint("code", sqlite_on_conflict="REPLACE"),)
        id: Mapped[int] = mapped_column(primary_key=True)
        code: Mapped[str] = mapped_column(String(20))
        label: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Shelf(own, base):
        __tablename__ = "acct_shelf"
        code: Mapped[str] = mapped_column(code_type(), primary_key=True)
        title: Mapped[str] = mapped_column(String(80))

    @p.through("acct_shelf")
    class Book(base):
        """On SQLite, its codes compare in another way than those of the shelves."""

        __tablename__ = "acct_book"
        id: Mapped[int] = mapped_column(primary_key=True)
        shelf_code: Mapped[str] = mapped_column(
            code_type(collation="NOCASE"), ForeignKey("acct_shelf.code")
        )
        title: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Booking(own, base):
        """On PostgreSQL, no two may overlap."""

        __tablename__ = "acct_booking"
        __table_args__ = (
            ExcludeConstraint((text("int4range(begins, ends)"), "&&")).ddl_if(dialect="postgresql"),
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        begins: Mapped[int]
        ends: Mapped[int]
        label: Mapped[str] = mapped_column(String(80))

    yield from (Document, Contract, Slot, Shelf, Book, Booking)


def _with_tenants(p: Protection, base: Any) -> Iterator[Any]:
    @p.aware_column("org_id")
    class Badge(base):
        """A tenant column that holds the two tenants, and nothing longer."""

        __tablename__ = "acct_badge"
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[str] = mapped_column(String(5))
        name: Mapped[str] = mapped_column(String(80))

    @p.aware_column("shop_no")
    class Counter(base):
        """A tenant column of integers, of which the other tenant has the largest."""

        __tablename__ = "acct_counter"
        id: Mapped[int] = mapped_column(primary_key=True)
        shop_no: Mapped[int]
        name: Mapped[str] = mapped_column(String(80))

    @p.aware_column("org_uuid")
    class Device(base):
        """A tenant column whose type converts."""

        __tablename__ = "acct_device"
        id: Mapped[int] = mapped_column(primary_key=True)
        org_uuid: Mapped[uuid.UUID] = mapped_column(Guid)
        name: Mapped[str] = mapped_column(String(80))

    yield from (Badge, Counter, Device)


def _with_limits(p: Protection, base: Any) -> Iterator[Any]:
    own = p.own

    @p.aware
    class Shade(own, base):
        """Codes of which two differ in a space at their end."""

        __tablename__ = "acct_shade"
        code: Mapped[str] = mapped_column(
            String(10).with_variant(String(10, collation="utf8mb4_nopad_bin"), *MARIADB),
            primary_key=True,
        )
        label: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Paint(own, base):
        """Refers to a shade by a shorter column, in which PostgreSQL leaves out such a space."""

        __tablename__ = "acct_paint"
        __table_args__ = (
            ForeignKeyConstraint(["shade_code"], ["acct_shade.code"]).ddl_if(dialect="postgresql"),
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        shade_code: Mapped[str | None] = mapped_column(String(3))
        label: Mapped[str] = mapped_column(String(80))

    @p.aware_column(LONG_TENANT)
    class Scroll(base):
        """Names as long as PostgreSQL allows."""

        __table__ = Table(
            "acct_scroll",
            base.metadata,
            Column("id", Integer, primary_key=True),
            Column(LONG_TENANT, String(40), nullable=False),
            Column(LONG_KEY, ForeignKey("acct_invoice.id")),
            Column("body", String(80)),
        )

    yield from (Shade, Paint, Scroll)


def elsewhere(p: Protection) -> Table:
    """Return a shared table of another database, with the name of a tenant-aware one."""
    columns = (Column("id", Integer, primary_key=True), Column("body", String(80)))
    return p.shared_elsewhere(Table("acct_note", MetaData(), *columns))
