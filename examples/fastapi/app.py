"""Customers and invoices of many tenants in one database, with FastAPI and an ``AsyncSession``.

No query mentions a tenant: ``install`` binds each request and websocket to one, and the models
are marked as tenant-aware or shared.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, FastAPI, HTTPException, Path, WebSocket
from fastapi.requests import HTTPConnection
from fastapi.responses import HTMLResponse, JSONResponse
from pydantic import BaseModel, Field
from sqlalchemy import URL, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from starlette.requests import Request
from starlette.routing import Mount

from examples.invoices.attempts import PUBLIC, attempts_json
from examples.invoices.bodies import LARGEST_INTEGER, UNGUARDED
from examples.invoices.models import Currency, Customer, Invoice
from examples.invoices.page import page
from examples.invoices.seed import database_file, seed
from examples.starlette import careless
from tenantshield_mw import TenantContext, UnguardedStatementError, resolvers
from tenantshield_mw.adapters.starlette import install, tenant_dependency

__all__ = ["create_app"]

START_PAGE: Final = page(
    "FastAPI, with an AsyncSession",
    'install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public)',
)
NO_TENANT: Final = PUBLIC | {"/docs", "/openapi.json"}

Whole = Annotated[int, Field(ge=0, le=LARGEST_INTEGER)]


class NewInvoice(BaseModel, extra="forbid", strict=True):
    number: Annotated[str, Field(min_length=1, max_length=20)]
    customer_id: Whole
    currency_code: str
    amount: Whole


async def new_session(connection: HTTPConnection) -> AsyncGenerator[AsyncSession]:
    async with connection.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(new_session)]
Tenant = Annotated[TenantContext, tenant_dependency(header="X-Tenant-ID")]

public = APIRouter(include_in_schema=False)
# Every operation shows the header in the schema.
invoices = APIRouter(dependencies=[tenant_dependency(header="X-Tenant-ID")])


def create_app() -> FastAPI:
    """Return the application, with the SQLite file named by ``INVOICES_DATABASE``."""
    app = FastAPI(title="Invoices", lifespan=database)
    install(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public)
    app.add_exception_handler(UnguardedStatementError, not_sent)
    app.include_router(public)
    app.include_router(invoices)
    # The careless endpoints of the Starlette example, whose routes FastAPI accepts.
    app.router.routes.append(Mount("/careless", routes=careless.ROUTES))
    return app


def is_public(scope: Mapping[str, Any]) -> bool:
    return scope["path"] in NO_TENANT


@asynccontextmanager
async def database(app: FastAPI) -> AsyncGenerator[None]:
    path = database_file()
    seed(path)
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(path)))
    app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    yield
    await engine.dispose()


@public.get("/", response_class=HTMLResponse)
async def start_page() -> str:
    return START_PAGE


@public.get("/attempts")
async def list_attempts() -> list[dict[str, Any]]:
    return attempts_json()


@invoices.get("/tenant")
async def get_tenant(tenant: Tenant) -> str:
    return str(tenant.tenant_id)


@invoices.get("/currencies")
async def list_currencies(session: Session) -> list[dict[str, Any]]:
    found = await session.scalars(select(Currency).order_by(Currency.code))
    return [each.as_json() for each in found]


@invoices.get("/customers")
async def list_customers(session: Session) -> list[dict[str, Any]]:
    found = await session.scalars(select(Customer).order_by(Customer.id))
    return [each.as_json() for each in found]


@invoices.get("/invoices")
async def list_invoices(session: Session) -> list[dict[str, Any]]:
    found = await session.scalars(select(Invoice).order_by(Invoice.id))
    return [each.as_json() for each in found]


@invoices.post("/invoices", status_code=201)
async def create_invoice(new: NewInvoice, session: Session) -> dict[str, Any]:
    if await session.get(Customer, new.customer_id) is None:
        raise HTTPException(422, "There is no such customer.")
    if await session.get(Currency, new.currency_code) is None:
        raise HTTPException(422, "There is no such currency.")
    invoice = Invoice(**new.model_dump())
    session.add(invoice)
    try:
        await session.commit()
    except IntegrityError:
        raise HTTPException(409, "The number is taken.") from None
    return invoice.as_json()


@invoices.get("/invoices/{invoice_id}")
async def get_invoice(
    invoice_id: Annotated[int, Path(ge=0, le=LARGEST_INTEGER)], session: Session
) -> dict[str, Any]:
    invoice = await session.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(404, "There is no such invoice.")
    return invoice.as_json()


@public.websocket("/feed")
async def feed(websocket: WebSocket, session: Session) -> None:
    """Answer each message ``list`` with the numbers of the tenant's invoices."""
    await websocket.accept()
    while await websocket.receive_text() == "list":
        found = await session.scalars(select(Invoice.number).order_by(Invoice.id))
        await websocket.send_json(found.all())
        # Hold no database connection while waiting for the next message.
        await session.close()
    await websocket.close()


async def not_sent(request: Request, error: Exception) -> JSONResponse:
    return JSONResponse(UNGUARDED, 500, media_type="application/problem+json")
