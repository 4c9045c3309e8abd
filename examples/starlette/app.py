"""Customers and invoices of many tenants in one database, with Starlette.

No query in this module mentions a tenant: ``install`` binds each request and websocket to one,
and the models are marked as tenant-aware or shared.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from http import HTTPStatus
from json import JSONDecodeError
from pathlib import Path
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from sqlalchemy.orm import joinedload
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from examples.invoices.attempts import PUBLIC, attempts_json
from examples.invoices.bodies import INVOICE, INVOICE_CHANGE, LARGEST_INTEGER, UNGUARDED, checked
from examples.invoices.models import Currency, Customer, Invoice
from examples.invoices.page import page
from examples.invoices.recording import watch
from examples.invoices.seed import database_file, seed
from tenantshield_mw import UnguardedStatementError, current_tenant, resolvers
from tenantshield_mw.adapters.starlette import install

from . import careless
from .database import engine_for, new_session
from .follow import Arrival, followed
from .listing import invoices_listed

__all__ = ["create_app"]

FRAMEWORK: Final = "Starlette, with an AsyncSession"
REGISTRATION: Final = (
    'install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public)'
)


def create_app(database: Path | None = None) -> Starlette:
    """Return the application.

    Args:
        database: the SQLite file; created with two tenants if it does not exist. By default
            the file named by ``INVOICES_DATABASE``, or ``invoices.sqlite3`` in the working
            directory.
    """
    path = database or database_file()

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        seed(path)
        engine = engine_for(path)
        watch(engine.sync_engine)
        app.state.database = path
        app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
        yield
        await engine.dispose()

    app = Starlette(
        routes=[
            Route("/", start_page, methods=["GET", "POST"]),
            Route("/attempts", list_attempts),
            Route("/page", tenant_page),
            Route("/currencies", list_currencies),
            Route("/customers", list_customers),
            Route("/invoices", list_invoices),
            Route("/invoices", create_invoice, methods=["POST"]),
            Route("/invoices/export", export_invoices),
            Route("/invoices/{id:int}", get_invoice),
            Route("/invoices/{id:int}", change_invoice, methods=["PATCH"]),
            WebSocketRoute("/feed", feed),
            Mount("/careless", routes=careless.ROUTES),
        ],
        exception_handlers={UnguardedStatementError: not_sent},
        lifespan=lifespan,
    )
    app.add_middleware(Arrival)
    install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public)
    return app


def is_public(scope: Mapping[str, Any]) -> bool:
    return scope["path"] in PUBLIC


async def start_page(request: Request) -> Response:
    return HTMLResponse(page(FRAMEWORK, REGISTRATION, await followed(request)))


async def list_attempts(request: Request) -> Response:
    return JSONResponse(attempts_json())


async def tenant_page(request: Request) -> Response:
    """Return the tenant's invoices as HTML that the server renders."""
    async with new_session(request) as session:
        found = await session.scalars(
            select(Invoice).options(joinedload(Invoice.customer)).order_by(Invoice.number)
        )
        html = invoices_listed(str(current_tenant().tenant_id), found.all())
    return HTMLResponse(html, headers={"Cache-Control": "no-store"})


async def list_currencies(request: Request) -> Response:
    async with new_session(request) as session:
        found = await session.scalars(select(Currency).order_by(Currency.code))
        return JSONResponse([each.as_json() for each in found])


async def list_customers(request: Request) -> Response:
    async with new_session(request) as session:
        found = await session.scalars(select(Customer).order_by(Customer.id))
        return JSONResponse([each.as_json() for each in found])


async def list_invoices(request: Request) -> Response:
    async with new_session(request) as session:
        found = await session.scalars(select(Invoice).order_by(Invoice.id))
        return JSONResponse([each.as_json() for each in found])


async def create_invoice(request: Request) -> Response:
    values = await sent(request, INVOICE, all_of=True)
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
        invoice.as_json(), HTTPStatus.CREATED, {"Location": f"/invoices/{invoice.id}"}
    )


async def get_invoice(request: Request) -> Response:
    async with new_session(request) as session:
        return JSONResponse((await requested_invoice(request, session)).as_json())


async def change_invoice(request: Request) -> Response:
    changes = await sent(request, INVOICE_CHANGE)
    async with new_session(request) as session:
        invoice = await requested_invoice(request, session)
        for name, value in changes.items():
            setattr(invoice, name, value)
        await session.commit()
        return JSONResponse(invoice.as_json())


async def export_invoices(request: Request) -> Response:
    """Stream all invoices, one JSON object per line."""

    async def lines() -> AsyncIterator[str]:
        async with new_session(request) as session:
            found = await session.stream_scalars(
                select(Invoice).order_by(Invoice.id).execution_options(yield_per=100)
            )
            async for invoice in found:
                yield json.dumps(invoice.as_json()) + "\n"

    return StreamingResponse(lines(), media_type="application/x-ndjson")


async def feed(websocket: WebSocket) -> None:
    """Answer each message ``list`` with the numbers of the tenant's invoices."""
    await websocket.accept()
    while await websocket.receive_text() == "list":
        async with new_session(websocket) as session:
            numbers = await session.scalars(select(Invoice.number).order_by(Invoice.id))
            await websocket.send_json(numbers.all())
    await websocket.close()


async def sent(request: Request, allowed: dict[str, type], *, all_of: bool = False) -> Any:
    """Return the request's JSON body if it is valid, see :func:`checked`."""
    try:
        body = await request.json()
    except (JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise HTTPException(HTTPStatus.BAD_REQUEST, "The body is not JSON.") from None
    try:
        return checked(body, allowed, all_of=all_of)
    except ValueError as error:
        raise HTTPException(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None


async def requested_invoice(request: Request, session: AsyncSession) -> Invoice:
    invoice_id: int = request.path_params["id"]
    invoice = None
    if invoice_id <= LARGEST_INTEGER:
        invoice = await session.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(HTTPStatus.NOT_FOUND, "There is no such invoice.")
    return invoice


async def not_sent(request: Request, error: Exception) -> Response:
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return JSONResponse(UNGUARDED, status, media_type="application/problem+json")
