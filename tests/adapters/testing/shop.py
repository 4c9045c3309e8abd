"""The application that docs/testing.md tests, for one database or another."""

import os

from fastapi import FastAPI, HTTPException
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import resolvers
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware
from tenantshield_mw.adapters.starlette import install


class Base(DeclarativeBase):
    pass


@tenant_aware
class Invoice(Base):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    total: Mapped[int]
    note: Mapped[str] = mapped_column(default="")


engine = create_engine(os.environ["APP_URL"])
rls.enforce(engine, system_role=os.environ["SYSTEM_ROLE"])
app = FastAPI(openapi_url=None)
install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))


@app.get("/invoices/{invoice_id}")
def read(invoice_id: int) -> dict[str, str]:
    with Session(engine) as session:
        invoice = session.get(Invoice, invoice_id)
        if invoice is None:
            raise HTTPException(404)
        return {"note": invoice.note}


@app.delete("/invoices/{invoice_id}")
def delete(invoice_id: int) -> None:
    with Session(engine) as session:
        invoice = session.get(Invoice, invoice_id)
        if invoice is None:
            raise HTTPException(404)
        session.delete(invoice)
        session.commit()
