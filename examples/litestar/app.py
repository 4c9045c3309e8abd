"""Customers and invoices of many tenants in one database, with Litestar and Advanced Alchemy.

No query mentions a tenant: ``TenantShieldPlugin`` binds each request and websocket to one, and
the models are marked as tenant-aware or shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

from advanced_alchemy.extensions.litestar import (
    AsyncSessionConfig,
    SQLAlchemyAsyncConfig,
    SQLAlchemyPlugin,
)
from litestar import Litestar, MediaType, Request, Response, get, post, websocket
from litestar.connection import WebSocket
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ClientException
from litestar.params import JSONBody, PathParameter
from msgspec import Meta, Struct
from sqlalchemy.ext.asyncio import AsyncSession

from examples.invoices.attempts import PUBLIC, attempts_json
from examples.invoices.bodies import LARGEST_INTEGER, UNGUARDED
from examples.invoices.models import Invoice
from examples.invoices.page import page
from examples.invoices.seed import database_file, seed
from tenantshield_mw import UnguardedStatementError, resolvers
from tenantshield_mw.adapters.litestar import TenantShieldPlugin

from .careless import careless
from .repositories import (
    Currencies,
    Customers,
    Invoices,
    provide_currencies,
    provide_customers,
    provide_invoices,
)

__all__ = ["create_app"]

START_PAGE: Final = page(
    "Litestar, with Advanced Alchemy",
    'TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public)',
)

Whole = Annotated[int, Meta(ge=0, le=LARGEST_INTEGER)]
Row = dict[str, Any]


class NewInvoice(Struct, forbid_unknown_fields=True):
    number: Annotated[str, Meta(min_length=1, max_length=20)]
    customer_id: Whole
    currency_code: str
    amount: Whole


def create_app() -> Litestar:
    """Return the application, with the SQLite file named by ``INVOICES_DATABASE``."""
    database = database_file()
    seed(database)
    alchemy = SQLAlchemyAsyncConfig(
        connection_string=f"sqlite+aiosqlite:///{database}",
        session_config=AsyncSessionConfig(expire_on_commit=False),
    )
    return Litestar(
        [
            start_page,
            list_attempts,
            list_currencies,
            list_customers,
            list_invoices,
            create_invoice,
            get_invoice,
            feed,
            careless,
        ],
        dependencies={
            "currencies": Provide(provide_currencies),
            "customers": Provide(provide_customers),
            "invoices": Provide(provide_invoices),
        },
        exception_handlers={UnguardedStatementError: not_sent},
        plugins=[
            SQLAlchemyPlugin(alchemy),
            TenantShieldPlugin(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public),
        ],
    )


def is_public(scope: Mapping[str, Any]) -> bool:
    return scope["path"] in PUBLIC


@get("/", media_type=MediaType.HTML)
async def start_page() -> str:
    return START_PAGE


@get("/attempts")
async def list_attempts() -> list[Row]:
    return attempts_json()


@get("/currencies")
async def list_currencies(currencies: NamedDependency[Currencies]) -> list[Row]:
    return [each.as_json() for each in await currencies.get_many()]


@get("/customers")
async def list_customers(customers: NamedDependency[Customers]) -> list[Row]:
    return [each.as_json() for each in await customers.get_many()]


@get("/invoices")
async def list_invoices(invoices: NamedDependency[Invoices]) -> list[Row]:
    return [each.as_json() for each in await invoices.get_many()]


@post("/invoices")
async def create_invoice(
    data: JSONBody[NewInvoice],
    invoices: NamedDependency[Invoices],
    customers: NamedDependency[Customers],
    currencies: NamedDependency[Currencies],
) -> Row:
    if await customers.get_one_or_none(id=data.customer_id) is None:
        raise ClientException("There is no such customer.", status_code=422)
    if await currencies.get_one_or_none(code=data.currency_code) is None:
        raise ClientException("There is no such currency.", status_code=422)
    invoice = Invoice(
        number=data.number,
        customer_id=data.customer_id,
        currency_code=data.currency_code,
        amount=data.amount,
    )
    # The plugin answers the repository's errors: 409 if the number is taken.
    return (await invoices.add(invoice, auto_commit=True)).as_json()


@get("/invoices/{invoice_id:int}")
async def get_invoice(
    invoice_id: Annotated[int, PathParameter(le=LARGEST_INTEGER)],
    invoices: NamedDependency[Invoices],
) -> Row:
    # The plugin answers 404 if there is no such row.
    return (await invoices.get(invoice_id)).as_json()


@websocket("/feed")
async def feed(
    socket: WebSocket[Any, Any, Any],
    invoices: NamedDependency[Invoices],
    db_session: NamedDependency[AsyncSession],
) -> None:
    """Answer each message ``list`` with the numbers of the tenant's invoices."""
    await socket.accept()
    while await socket.receive_text() == "list":
        await socket.send_json([each.number for each in await invoices.get_many()])
        # Hold no database connection while waiting for the next message.
        await db_session.close()
    await socket.close()


def not_sent(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    return Response(UNGUARDED, status_code=500, media_type="application/problem+json")
