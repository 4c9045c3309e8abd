"""Customers and invoices of many tenants in one database.

No query in this module mentions a tenant. The line with ``add_middleware`` binds each
request to one, and the marks on the models do the rest.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from tenantshield_mw import TenantSessionMiddleware, current_tenant, header

from . import careless
from .bodies import INVOICE, INVOICE_CHANGE, LARGEST_INTEGER, json_object, members_of
from .database import engine_for, new_session, sessions_for
from .models import Base, Currency, Customer, Invoice
from .page import START_PAGE, invoices_page
from .problems import HANDLERS

__all__ = ["create_app"]

DATABASE_VARIABLE: Final = "INVOICES_DATABASE"

# Requests to these have no tenant. The second one is there to show what that means for a
# query that needs one.
PUBLIC: Final = frozenset({"/", "/careless/public"})


def create_app(database: Path | None = None) -> Starlette:
    """Return the application.

    Args:
        database: the SQLite file; made if it is not there. By default the file that the
            environment variable ``INVOICES_DATABASE`` names, or else ``invoices.sqlite3``
            in the working directory.
    """
    if database is None:
        database = Path(os.environ.get(DATABASE_VARIABLE, "invoices.sqlite3"))
    engine = engine_for(database)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with engine.begin() as connection:
            await connection.run_sync(Base.metadata.create_all)
        app.state.sessions = sessions_for(engine)
        yield
        await engine.dispose()

    app = Starlette(
        routes=[
            Route("/", start_page),
            Route("/page", page),
            Route("/currencies", list_currencies),
            Route("/customers", list_customers),
            Route("/invoices", list_invoices),
            Route("/invoices", create_invoice, methods=["POST"]),
            Route("/invoices/export", export_invoices),
            Route("/invoices/{id:int}", get_invoice),
            Route("/invoices/{id:int}", change_invoice, methods=["PATCH"]),
            Mount("/careless", routes=careless.ROUTES),
        ],
        exception_handlers=HANDLERS,
        lifespan=lifespan,
    )
    app.add_middleware(TenantSessionMiddleware, resolve_tenant=header("X-Tenant-ID"), exempt=public)
    return app


def public(scope: Mapping[str, Any]) -> bool:
    return scope["path"] in PUBLIC


async def start_page(request: Request) -> Response:
    return HTMLResponse(START_PAGE)


async def page(request: Request) -> Response:
    async with new_session(request) as session:
        found = await session.scalars(
            select(Invoice).options(joinedload(Invoice.customer)).order_by(Invoice.number)
        )
        html = invoices_page(str(current_tenant().tenant_id), found.all())
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


async def list_currencies(request: Request) -> Response:
    async with new_session(request) as session:
        found = await session.scalars(select(Currency).order_by(Currency.code))
        return JSONResponse([{"code": each.code, "name": each.name} for each in found])


async def list_customers(request: Request) -> Response:
    async with new_session(request) as session:
        found = await session.scalars(select(Customer).order_by(Customer.id))
        return JSONResponse([{"id": each.id, "name": each.name} for each in found])


async def list_invoices(request: Request) -> Response:
    async with new_session(request) as session:
        found = await session.scalars(select(Invoice).order_by(Invoice.id))
        return JSONResponse([invoice_json(each) for each in found])


async def create_invoice(request: Request) -> Response:
    values = members_of(await json_object(request), INVOICE)
    if len(values) < len(INVOICE):
        raise HTTPException(
            HTTPStatus.UNPROCESSABLE_ENTITY, f"These members are needed: {', '.join(INVOICE)}."
        )
    async with new_session(request) as session:
        if await session.get(Customer, values["customer_id"]) is None:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "There is no such customer.")
        if await session.get(Currency, values["currency_code"]) is None:
            raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, "There is no such currency.")
        invoice = Invoice(**values)
        session.add(invoice)
        try:
            await session.commit()
        except IntegrityError:
            raise HTTPException(HTTPStatus.CONFLICT, "The number is taken.") from None
    return JSONResponse(
        invoice_json(invoice), HTTPStatus.CREATED, {"Location": f"/invoices/{invoice.id}"}
    )


async def get_invoice(request: Request) -> Response:
    async with new_session(request) as session:
        return JSONResponse(invoice_json(await requested_invoice(request, session)))


async def change_invoice(request: Request) -> Response:
    changes = members_of(await json_object(request), INVOICE_CHANGE)
    async with new_session(request) as session:
        invoice = await requested_invoice(request, session)
        for name, value in changes.items():
            setattr(invoice, name, value)
        await session.commit()
        return JSONResponse(invoice_json(invoice))


async def export_invoices(request: Request) -> Response:
    """Stream all invoices, one JSON object a line."""

    async def lines() -> AsyncIterator[str]:
        async with new_session(request) as session:
            found = await session.stream_scalars(
                select(Invoice).order_by(Invoice.id).execution_options(yield_per=100)
            )
            async for invoice in found:
                yield json.dumps(invoice_json(invoice)) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def requested_invoice(request: Request, session: AsyncSession) -> Invoice:
    invoice_id: int = request.path_params["id"]
    invoice = None
    if invoice_id <= LARGEST_INTEGER:
        invoice = await session.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such invoice.")
    return invoice


def invoice_json(invoice: Invoice) -> dict[str, Any]:
    return {
        "id": invoice.id,
        "number": invoice.number,
        "customer_id": invoice.customer_id,
        "currency_code": invoice.currency_code,
        "amount": invoice.amount,
        "paid": invoice.paid,
    }
