"""The tables of a small accounting application, and two tenants' rows in them.

What is the other tenant's can be told by looking at a value: texts contain ``bravo``,
numbers are in the four hundreds (ids) or from 1,000 up (amounts). The caller's own texts
begin with ``own``; each of their tables ends at id 900, so that new rows get ids from
901 up. Ids of composite keys and numbers of invoices are the same for both.
"""

# The mixin that brings the tenant column is another one for each protection.
# mypy: disable-error-code="misc,valid-type"
# pyright: reportUntypedBaseClass=false, reportUnusedClass=false

from __future__ import annotations

import uuid
from typing import Any, Final

from sqlalchemy import (
    Column,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    Uuid,
    func,
    select,
)
from sqlalchemy.ext.declarative import ConcreteBase
from sqlalchemy.orm import (
    DeclarativeBase,
    DynamicMapped,
    Mapped,
    WriteOnlyMapped,
    column_property,
    configure_mappers,
    mapped_column,
    query_expression,
    relationship,
)

from .effects import define_effects, elsewhere
from .protections import Protection
from .shared_rows import define_shared_rows

__all__ = ["MY_TOKEN", "SCHEMA", "THEIR_TOKEN", "Models", "is_theirs"]

SCHEMA: Final = f"acct_archive_{uuid.uuid4().hex[:8]}"
"""The second schema. On MariaDB it is a database, which other runs must not share."""

MY_TOKEN: Final = uuid.UUID(int=1)
THEIR_TOKEN: Final = uuid.UUID(int=401)


def is_theirs(value: object) -> bool:
    """Say whether a value gives away something of the other tenant."""
    if isinstance(value, bool) or value is None:
        return False
    if isinstance(value, uuid.UUID):
        return value == THEIR_TOKEN
    if isinstance(value, bytes | bytearray | memoryview):
        return b"bravo" in bytes(value).lower()
    if isinstance(value, str):
        return "bravo" in value.lower()
    try:
        number = abs(float(value))  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return 400 <= number < 500 or number >= 1000


class Models:
    """The models as marked for one protection; an attribute for each."""

    def __init__(self, p: Protection) -> None:
        self.key = p.key
        self.mine = p.mine
        self.theirs = p.theirs
        _define(self, p)
        configure_mappers()

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)

    def tenant(self, model: Any) -> Any:
        """Return the attribute, or the column, with the tenant of ``model``."""
        return model.c[self.key] if isinstance(model, Table) else getattr(model, self.key)


def _define(m: Models, p: Protection) -> None:
    class Base(DeclarativeBase):
        metadata = MetaData()

    own = p.own

    @p.shared
    class Currency(Base):
        __tablename__ = "acct_currency"
        code: Mapped[str] = mapped_column(String(3), primary_key=True)
        name: Mapped[str] = mapped_column(String(40))

    @p.aware
    class Customer(own, Base):
        __tablename__ = "acct_customer"
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(80))
        credit: Mapped[int] = mapped_column(default=0)
        invoices: Mapped[list[Any]] = relationship("Invoice", back_populates="customer")
        dynamic: DynamicMapped[Any] = relationship("Invoice", viewonly=True)
        written: WriteOnlyMapped[Any] = relationship("Invoice", viewonly=True)
        remark: Mapped[str | None] = query_expression()

    @p.aware
    class Category(own, Base):
        __tablename__ = "acct_category"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int | None] = mapped_column(ForeignKey("acct_category.id"))
        title: Mapped[str] = mapped_column(String(80))
        parent: Mapped[Any] = relationship(
            "Category", remote_side="Category.id", back_populates="children"
        )
        children: Mapped[list[Any]] = relationship("Category", back_populates="parent")

    @p.aware
    class Tag(own, Base):
        __tablename__ = "acct_tag"
        id: Mapped[int] = mapped_column(primary_key=True)
        slug: Mapped[str] = mapped_column(String(40), unique=True)
        label: Mapped[str] = mapped_column(String(80))

    invoice_tag = Table(
        "acct_invoice_tag",
        Base.metadata,
        Column("invoice_id", ForeignKey("acct_invoice.id"), primary_key=True),
        Column("tag_id", ForeignKey("acct_tag.id"), primary_key=True),
    )

    @p.aware
    class Invoice(own, Base):
        __tablename__ = "acct_invoice"
        id: Mapped[int] = mapped_column(primary_key=True)
        customer_id: Mapped[int] = mapped_column(ForeignKey("acct_customer.id"))
        category_id: Mapped[int | None] = mapped_column(ForeignKey("acct_category.id"))
        reference: Mapped[str] = mapped_column(String(20))
        note: Mapped[str] = mapped_column(String(80), default="own default")
        amount: Mapped[int] = mapped_column(default=0)
        private: Mapped[str | None] = mapped_column(String(80), deferred=True)
        customer: Mapped[Any] = relationship("Customer", back_populates="invoices")
        category: Mapped[Any] = relationship("Category")
        lines: Mapped[list[Any]] = relationship(
            "InvoiceLine", back_populates="invoice", cascade="all, delete-orphan"
        )
        tags: Mapped[list[Any]] = relationship("Tag", secondary=invoice_tag)
        payments: Mapped[list[Any]] = relationship("Payment", back_populates="invoice")

    @p.through("acct_invoice")
    class InvoiceLine(Base):
        __tablename__ = "acct_invoice_line"
        id: Mapped[int] = mapped_column(primary_key=True)
        invoice_id: Mapped[int] = mapped_column(ForeignKey("acct_invoice.id"))
        text: Mapped[str] = mapped_column(String(80))
        quantity: Mapped[int] = mapped_column(default=1)
        price: Mapped[str | None] = mapped_column(String(20))
        invoice: Mapped[Any] = relationship("Invoice", back_populates="lines")
        notes: Mapped[list[Any]] = relationship("LineNote")

    class LineNote(Base):
        """Not marked: tied to the line, which is tied to the invoice."""

        __tablename__ = "acct_line_note"
        id: Mapped[int] = mapped_column(primary_key=True)
        line_id: Mapped[int] = mapped_column(ForeignKey("acct_invoice_line.id"))
        text: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Payment(own, Base):
        __tablename__ = "acct_payment"
        id: Mapped[int] = mapped_column(primary_key=True)
        invoice_id: Mapped[int | None] = mapped_column(ForeignKey("acct_invoice.id"))
        kind: Mapped[str] = mapped_column(String(20))
        memo: Mapped[str] = mapped_column(String(80))
        invoice: Mapped[Any] = relationship("Invoice", back_populates="payments")
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "plain"}  # noqa: RUF012

    @p.subclass
    class CardPayment(Payment):
        __tablename__ = "acct_card_payment"
        id: Mapped[int] = mapped_column(ForeignKey("acct_payment.id"), primary_key=True)
        card: Mapped[str] = mapped_column(String(80))
        __mapper_args__ = {"polymorphic_identity": "card"}  # noqa: RUF012

    @p.aware
    class Party(own, Base):
        __tablename__ = "acct_party"
        id: Mapped[int] = mapped_column(primary_key=True)
        kind: Mapped[str] = mapped_column(String(20))
        name: Mapped[str] = mapped_column(String(80))
        __mapper_args__ = {"polymorphic_on": "kind", "polymorphic_identity": "party"}  # noqa: RUF012

    @p.subclass
    class Company(Party):
        vat: Mapped[str | None] = mapped_column(String(80))
        __mapper_args__ = {"polymorphic_identity": "company"}  # noqa: RUF012

    @p.aware
    class Site(own, ConcreteBase, Base):
        __tablename__ = "acct_site"
        id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
        name: Mapped[str] = mapped_column(String(80))
        __mapper_args__ = {"polymorphic_identity": "site", "concrete": True}  # noqa: RUF012

    @p.subclass
    class Warehouse(Site):
        __table__ = Table(
            "acct_warehouse",
            Base.metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column(p.key, Site.__table__.c[p.key].type),
            Column("name", String(80)),
            Column("capacity", Integer, default=0),
        )
        __mapper_args__ = {"polymorphic_identity": "warehouse", "concrete": True}  # noqa: RUF012

    @p.aware
    class Rate(own, Base):
        """A natural key: the same codes for everybody."""

        __tablename__ = "acct_rate"
        __table_args__ = (PrimaryKeyConstraint(p.key, "code"),)
        code: Mapped[str] = mapped_column(String(20))
        percent: Mapped[int]
        remark: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Record(own, Base):
        __tablename__ = "acct_record"
        __table_args__ = {"schema": SCHEMA}  # noqa: RUF012
        id: Mapped[int] = mapped_column(primary_key=True)
        body: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Token(own, Base):
        __tablename__ = "acct_token"
        id: Mapped[uuid.UUID] = mapped_column(Uuid, primary_key=True, default=uuid.uuid4)
        secret: Mapped[str] = mapped_column(String(80))

    @p.aware
    class Entry(own, Base):
        """Names that must be quoted."""

        __tablename__ = "acct_Ledger Entry"
        id: Mapped[int] = mapped_column("Entry No", primary_key=True)
        posted: Mapped[str] = mapped_column("Posted Text", String(80))

    @p.aware
    class Account(own, Base):
        __tablename__ = "acct_account"
        __table_args__ = (UniqueConstraint(p.key, "id"),)
        id: Mapped[int] = mapped_column(primary_key=True)
        name: Mapped[str] = mapped_column(String(80))
        errands: Mapped[list[Any]] = relationship("Errand", back_populates="account")

    @p.aware
    class Posting(own, Base):
        """A composite foreign key, in which the tenant is part of the reference."""

        __tablename__ = "acct_posting"
        __table_args__ = (
            ForeignKeyConstraint(
                [p.key, "account_id"], [f"acct_account.{p.key}", "acct_account.id"]
            ),
        )
        id: Mapped[int] = mapped_column(primary_key=True)
        account_id: Mapped[int]
        text: Mapped[str] = mapped_column(String(80))
        account: Mapped[Any] = relationship("Account", overlaps=p.key)

    @p.aware_column("org_id")
    class Member(Base):
        """The tenant column has another name."""

        __tablename__ = "acct_member"
        id: Mapped[int] = mapped_column(primary_key=True)
        org_id: Mapped[str] = mapped_column(String(40))
        name: Mapped[str] = mapped_column(String(80))

    note = Table(
        "acct_note",
        Base.metadata,
        Column("id", Integer, primary_key=True),
        Column(p.key, Customer.__table__.c[p.key].type, nullable=False),
        Column("body", String(80)),
    )

    Customer.invoice_count = column_property(
        select(func.count(Invoice.id)).where(Invoice.customer_id == Customer.id).scalar_subquery(),
        deferred=True,
    )

    p.aware_table(note)
    shared_rows = define_shared_rows(p, Base) if "shared_rows" in p.features else ()
    for effect in (*define_effects(p, Base), *shared_rows):
        setattr(m, effect.__name__, effect)
    m.note_elsewhere = elsewhere(p)
    for each in list(locals().values()):
        if isinstance(each, type) and issubclass(each, Base):
            setattr(m, each.__name__, each)
    m.note, m.invoice_tag, m.metadata = note, invoice_tag, Base.metadata
    p.finish(m)
