"""The tables: customers and invoices belong to tenants, currencies are shared.

The decorators are all that the models need. Every example uses these classes, with its own
kind of session.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from tenantshield_mw.adapters.sqlalchemy import (
    require_declared,
    shared_across_tenants,
    tenant_aware,
)

__all__ = ["Base", "Currency", "Customer", "Invoice"]


class Base(DeclarativeBase):
    def as_json(self) -> dict[str, Any]:
        """Return the row as a dict for a JSON response."""
        return {each.key: getattr(self, each.key) for each in self.__mapper__.column_attrs}


@shared_across_tenants
class Currency(Base):
    __tablename__ = "currency"

    code: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(40))


@tenant_aware
class Customer(Base):
    __tablename__ = "customer"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64), index=True)
    name: Mapped[str] = mapped_column(String(200))


@tenant_aware
class Invoice(Base):
    __tablename__ = "invoice"
    __table_args__ = (UniqueConstraint("tenant_id", "number"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(64))
    number: Mapped[str] = mapped_column(String(20))
    customer_id: Mapped[int] = mapped_column(ForeignKey("customer.id"))
    currency_code: Mapped[str] = mapped_column(ForeignKey("currency.code"))
    amount: Mapped[int]  # in hundredths of the currency
    paid: Mapped[bool] = mapped_column(default=False)

    customer: Mapped[Customer] = relationship(lazy="raise")


# The program does not start if a table is added later without one of the decorators.
require_declared(Base)
