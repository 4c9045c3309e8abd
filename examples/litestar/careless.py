"""Careless endpoints: each one forgets that there is more than one tenant.

The page attacks them, and you can attack them by hand. Without the guard, every one of them
returns or changes another tenant's rows.
"""

from __future__ import annotations

from typing import Any, Final

from litestar import Router, get, patch, post
from litestar.di import NamedDependency
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from sqlalchemy import Result, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from examples.invoices.models import Customer, Invoice

from .repositories import Invoices

__all__ = ["careless"]

COLUMNS: Final = (Invoice.id, Invoice.number, Invoice.amount, Invoice.paid)

DbSession = NamedDependency[AsyncSession]
Row = dict[str, Any]


def rows(result: Result[*tuple[Any, ...]]) -> list[Row]:
    return [dict(row) for row in result.mappings()]


@get("/by-id/{invoice_id:int}")
async def by_id(invoice_id: FromPath[int], db_session: DbSession) -> Row:
    """Trust the id in the URL."""
    found = rows(await db_session.execute(select(*COLUMNS).where(Invoice.id == invoice_id)))
    if not found:
        raise NotFoundException("There is no such invoice.")
    return found[0]


# The plugin exempts the second path, so that it runs without any tenant.
@get(["/all-invoices", "/public"])
async def all_invoices(db_session: DbSession) -> list[Row]:
    """Forget the filter."""
    return rows(await db_session.execute(select(*COLUMNS)))


@get("/totals")
async def totals(db_session: DbSession) -> list[Row]:
    """Forget the filter in a join with an aggregate."""
    return rows(
        await db_session.execute(
            select(Customer.name, func.sum(Invoice.amount).label("total"))
            .outerjoin(Invoice, Invoice.customer_id == Customer.id)
            .group_by(Customer.name)
        )
    )


@get("/core-select")
async def core_select(db_engine: NamedDependency[AsyncEngine]) -> list[Row]:
    """Bypass the ORM and its session: a Core select on a connection."""
    async with db_engine.connect() as connection:
        return rows(await connection.execute(select(Invoice.__table__)))


@get("/raw-sql")
async def raw_sql(db_session: DbSession) -> list[Row]:
    """Bypass SQLAlchemy's constructs as well."""
    return rows(await db_session.execute(text("SELECT id, number, amount FROM invoice")))


@post("/bulk-update", status_code=204)
async def bulk_update(db_session: DbSession) -> None:
    """Update without a WHERE."""
    await db_session.execute(update(Invoice).values(amount=Invoice.amount + 100))
    await db_session.commit()


@post("/create")
async def create(data: JSONBody[Row], invoices: NamedDependency[Invoices]) -> None:
    """Write everything that the client sends, including the tenant."""
    await invoices.add(Invoice(**data), auto_commit=True)


@patch("/change/{invoice_id:int}", status_code=204)
async def change(
    invoice_id: FromPath[int], data: JSONBody[Row], invoices: NamedDependency[Invoices]
) -> None:
    """Change everything that the client names, including the tenant."""
    invoice = await invoices.get(invoice_id)
    for name, value in data.items():
        setattr(invoice, name, value)
    await invoices.update(invoice, auto_commit=True)


careless = Router(
    "/careless",
    route_handlers=[
        by_id,
        all_invoices,
        totals,
        core_select,
        raw_sql,
        bulk_update,
        create,
        change,
    ],
)
