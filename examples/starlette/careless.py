"""Careless endpoints: each one forgets that there is more than one tenant.

The page and ``demo.py`` attack them, and you can attack them by hand. Without the guard, every
one of them returns or changes another tenant's rows.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from sqlalchemy import Result, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from examples.invoices.models import Customer, Invoice

from .database import new_session

__all__ = ["ROUTES"]

_COLUMNS: Final = (Invoice.id, Invoice.number, Invoice.amount, Invoice.paid)


def _rows(result: Result[*tuple[Any, ...]]) -> list[dict[str, Any]]:
    return [dict(row) for row in result.mappings()]


async def by_id(request: Request) -> Response:
    """Trust the id in the URL."""
    async with new_session(request) as session:
        statement = select(*_COLUMNS).where(Invoice.id == request.path_params["id"])
        row = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such invoice.")
    return JSONResponse(dict(row))


async def all_invoices(request: Request) -> Response:
    """Forget the filter."""
    async with new_session(request) as session:
        return JSONResponse(_rows(await session.execute(select(*_COLUMNS))))


async def totals(request: Request) -> Response:
    """Forget the filter in a join with an aggregate."""
    async with new_session(request) as session:
        rows = await session.execute(
            select(Customer.name, func.sum(Invoice.amount).label("total"))
            .outerjoin(Invoice, Invoice.customer_id == Customer.id)
            .group_by(Customer.name)
        )
        return JSONResponse(_rows(rows))


async def core_select(request: Request) -> Response:
    """Bypass the ORM: a Core select on a connection."""
    async with new_session(request) as session:
        connection = await session.connection()
        return JSONResponse(_rows(await connection.execute(select(Invoice.__table__))))


async def raw_sql(request: Request) -> Response:
    """Bypass SQLAlchemy's constructs as well."""
    async with new_session(request) as session:
        rows = await session.execute(text("SELECT id, number, amount FROM invoice"))
        return JSONResponse(_rows(rows))


async def bulk_update(request: Request) -> Response:
    """Update without a WHERE."""
    async with new_session(request) as session:
        await session.execute(update(Invoice).values(amount=Invoice.amount + 100))
        await session.commit()
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def create(request: Request) -> Response:
    """Write everything that the client sends, including the tenant."""
    values = await request.json()
    async with new_session(request) as session:
        session.add(Invoice(**values))
        await session.commit()
    return Response(status_code=HTTPStatus.CREATED)


async def change(request: Request) -> Response:
    """Change everything that the client names, including the tenant."""
    values = await request.json()
    async with new_session(request) as session:
        invoice = await _invoice(request, session)
        for name, value in values.items():
            setattr(invoice, name, value)
        await session.commit()
    return Response(status_code=HTTPStatus.NO_CONTENT)


async def _invoice(request: Request, session: AsyncSession) -> Invoice:
    invoice = await session.get(Invoice, request.path_params["id"])
    if invoice is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such invoice.")
    return invoice


ROUTES: Final = (
    Route("/by-id/{id:int}", by_id),
    Route("/all-invoices", all_invoices),
    # The middleware exempts this path, so that it runs without any tenant.
    Route("/public", all_invoices),
    Route("/totals", totals),
    Route("/core-select", core_select),
    Route("/raw-sql", raw_sql),
    Route("/bulk-update", bulk_update, methods=["POST"]),
    Route("/create", create, methods=["POST"]),
    Route("/change/{id:int}", change, methods=["PATCH"]),
)
