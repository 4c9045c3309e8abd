"""Advanced Alchemy's repositories of the models that the examples share."""

from __future__ import annotations

from advanced_alchemy.repository import SQLAlchemyAsyncRepository
from litestar.di import NamedDependency
from sqlalchemy.ext.asyncio import AsyncSession

from examples.invoices.models import Currency, Customer, Invoice

__all__ = [
    "Currencies",
    "Customers",
    "Invoices",
    "provide_currencies",
    "provide_customers",
    "provide_invoices",
]


class Currencies(SQLAlchemyAsyncRepository[Currency]):
    model_type = Currency
    id_attribute = "code"


class Customers(SQLAlchemyAsyncRepository[Customer]):
    model_type = Customer


class Invoices(SQLAlchemyAsyncRepository[Invoice]):
    model_type = Invoice


async def provide_currencies(db_session: NamedDependency[AsyncSession]) -> Currencies:
    return Currencies(session=db_session, order_by=("code", False))


async def provide_customers(db_session: NamedDependency[AsyncSession]) -> Customers:
    return Customers(session=db_session, order_by=("id", False))


async def provide_invoices(db_session: NamedDependency[AsyncSession]) -> Invoices:
    return Invoices(session=db_session, order_by=("id", False))
