"""Invoices of many tenants, with FastAPI and an ``AsyncSession``.

No query mentions a tenant. The line with ``install`` binds each request to one, and the
mark on the model does the rest.
"""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Body, Depends, FastAPI, HTTPException, Request
from pydantic import BaseModel
from sqlalchemy import URL, func, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw import TenantContext, atenant_scope, header
from tenantshield_mw.adapters.sqlalchemy import require_declared, tenant_aware
from tenantshield_mw.adapters.starlette import install, tenant_dependency

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


class NewInvoice(BaseModel):
    number: str
    amount: int


class InvoiceOut(NewInvoice, from_attributes=True):
    id: int


async def new_session(request: Request) -> AsyncGenerator[AsyncSession]:
    async with request.app.state.sessions() as session:
        yield session


Session = Annotated[AsyncSession, Depends(new_session)]
Tenant = Annotated[TenantContext, tenant_dependency(header="X-Tenant-ID")]

# Every operation shows the header in the schema.
pages = APIRouter(dependencies=[tenant_dependency(header="X-Tenant-ID")])


def create_app() -> FastAPI:
    """Return the application, on the SQLite file that ``INVOICES_DATABASE`` names."""
    app = FastAPI(title="Invoices", lifespan=database)
    install(app, resolve_tenant=header("X-Tenant-ID"), exempt=["/docs", "/openapi.json"])
    app.include_router(pages)
    return app


@asynccontextmanager
async def database(app: FastAPI) -> AsyncGenerator[None]:
    path = Path(os.environ.get("INVOICES_DATABASE", "fastapi-invoices.sqlite3"))
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


@pages.get("/tenant")
async def get_tenant(tenant: Tenant) -> str:
    return str(tenant.tenant_id)


@pages.get("/invoices", response_model=list[InvoiceOut])
async def list_invoices(session: Session) -> Any:
    return (await session.scalars(select(Invoice))).all()


@pages.post("/invoices", response_model=InvoiceOut, status_code=201)
async def create_invoice(new: NewInvoice, session: Session) -> Any:
    return await add(session, Invoice(number=new.number, amount=new.amount))


@pages.get("/invoices/{invoice_id}", response_model=InvoiceOut)
async def get_invoice(invoice_id: int, session: Session) -> Any:
    invoice = await session.scalar(select(Invoice).where(Invoice.id == invoice_id))
    if invoice is None:
        raise HTTPException(404, "There is no such invoice.")
    return invoice


@pages.post("/careless", response_model=InvoiceOut, status_code=201)
async def careless(body: Annotated[dict[str, Any], Body()], session: Session) -> Any:
    """What nobody should write: whatever the client sends becomes a row."""
    return await add(session, Invoice(**body))


async def add(session: AsyncSession, invoice: Invoice) -> Invoice:
    session.add(invoice)
    await session.commit()
    return invoice
