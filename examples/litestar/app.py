"""Invoices of many tenants, with Litestar and an ``AsyncSession``.

No query mentions a tenant. The line with ``TenantShieldPlugin`` binds each request to one,
and the mark on the model does the rest.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from litestar import Litestar, get, post, websocket
from litestar.connection import WebSocket
from litestar.datastructures import State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import NotFoundException
from litestar.params import FromPath, JSONBody
from sqlalchemy import URL, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw import TenantContext, atenant_scope, header
from tenantshield_mw.adapters.litestar import TenantShieldPlugin
from tenantshield_mw.adapters.sqlalchemy import require_declared, tenant_aware

__all__ = ["create_app"]


class Base(DeclarativeBase):
    pass


@tenant_aware
class Invoice(Base):
    __tablename__ = "invoice"

    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    number: Mapped[str]
    amount: Mapped[int]  # in hundredths


require_declared(Base)


@dataclass
class NewInvoice:
    number: str
    amount: int


def create_app() -> Litestar:
    """Return the application, on the SQLite file that ``INVOICES_DATABASE`` names."""
    return Litestar(
        [list_invoices, create_invoice, get_invoice, careless, watch],
        dependencies={"session": Provide(new_session)},
        lifespan=[database],
        plugins=[TenantShieldPlugin(resolve_tenant=header("X-Tenant-ID"))],
    )


@asynccontextmanager
async def database(app: Litestar) -> AsyncGenerator[None]:
    path = Path(os.environ.get("INVOICES_DATABASE", "litestar-invoices.sqlite3"))
    engine = create_async_engine(URL.create("sqlite+aiosqlite", database=str(path)))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    sessions = app.state.sessions = async_sessionmaker(engine, expire_on_commit=False)
    await seed(sessions)
    yield
    await engine.dispose()


async def seed(sessions: async_sessionmaker[AsyncSession]) -> None:
    """Give each of two tenants two invoices, unless it has some."""
    for tenant_id, prefix in (("acme", "ACM"), ("globex", "GLX")):
        async with atenant_scope(tenant_id), sessions() as session:
            if await session.scalar(select(func.count()).select_from(Invoice)) == 0:
                for number in (1, 2):
                    session.add(Invoice(number=f"{prefix}-{number}", amount=1000 * number))
                await session.commit()


async def new_session(state: State) -> AsyncGenerator[AsyncSession]:
    async with state.sessions() as session:
        yield session


Session = NamedDependency[AsyncSession]


@get("/invoices")
async def list_invoices(session: Session) -> list[dict[str, Any]]:
    return [as_json(each) for each in await session.scalars(select(Invoice))]


@post("/invoices")
async def create_invoice(data: JSONBody[NewInvoice], session: Session) -> dict[str, Any]:
    return await add(session, Invoice(number=data.number, amount=data.amount))


@get("/invoices/{invoice_id:int}")
async def get_invoice(invoice_id: FromPath[int], session: Session) -> dict[str, Any]:
    invoice = await session.scalar(select(Invoice).where(Invoice.id == invoice_id))
    if invoice is None:
        raise NotFoundException("There is no such invoice.")
    return as_json(invoice)


@post("/careless")
async def careless(data: JSONBody[dict[str, Any]], session: Session) -> dict[str, Any]:
    """What nobody should write: whatever the client sends becomes a row."""
    return await add(session, Invoice(**data))


@websocket("/watch")
async def watch(
    socket: WebSocket[Any, Any, Any], tenant: NamedDependency[TenantContext], session: Session
) -> None:
    """Tell whose socket this is and how many invoices there are, whenever asked."""
    await socket.accept()
    while await socket.receive_text() == "count":
        count = await session.scalar(select(func.count()).select_from(Invoice))
        await socket.send_json({"tenant": str(tenant.tenant_id), "invoices": count})
    await socket.close()


async def add(session: AsyncSession, invoice: Invoice) -> dict[str, Any]:
    session.add(invoice)
    await session.commit()
    return as_json(invoice)


def as_json(invoice: Invoice) -> dict[str, Any]:
    return {"id": invoice.id, "number": invoice.number, "amount": invoice.amount}
