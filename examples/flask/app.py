"""Invoices of many tenants, with Flask and Flask-SQLAlchemy.

No query mentions a tenant. The line with ``TenantShield`` binds each request to one, and
the mark on the model does the rest.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click
from flask import Blueprint, Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw import header, tenant_scope
from tenantshield_mw.adapters.flask import TenantShield, current_tenant, tenant_option
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

db = SQLAlchemy(model_class=Base)
pages = Blueprint("pages", __name__)


def create_app() -> Flask:
    """Return the application, on the SQLite file that ``INVOICES_DATABASE`` names."""
    database = Path(os.environ.get("INVOICES_DATABASE", "flask-invoices.sqlite3")).absolute()
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{database}"
    db.init_app(app)
    TenantShield(app, resolve_tenant=header("X-Tenant-ID"))
    app.register_blueprint(pages)
    app.cli.add_command(total)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        seed()
    return app


def seed() -> None:
    """Give each of two tenants two invoices, unless it has some."""
    for tenant_id, prefix in (("acme", "ACM"), ("globex", "GLX")):
        with tenant_scope(tenant_id):
            if db.session.scalar(select(func.count()).select_from(Invoice)) == 0:
                for number in (1, 2):
                    db.session.add(Invoice(number=f"{prefix}-{number}", amount=1000 * number))
                db.session.commit()
            db.session.remove()


@pages.get("/invoices")
def list_invoices() -> ResponseReturnValue:
    return jsonify([as_json(each) for each in db.session.scalars(select(Invoice))])


@pages.post("/invoices")
def create_invoice() -> ResponseReturnValue:
    body = request.get_json()
    if not isinstance(body, dict) or {"number": str, "amount": int} != {
        name: type(value) for name, value in body.items()
    }:
        abort(422)
    return add(Invoice(**body))


@pages.get("/invoices/<int:invoice_id>")
def get_invoice(invoice_id: int) -> ResponseReturnValue:
    invoice = db.session.scalar(select(Invoice).where(Invoice.id == invoice_id))
    return jsonify(as_json(invoice)) if invoice else abort(404)


@pages.post("/careless")
def careless() -> ResponseReturnValue:
    """What nobody should write: whatever the client sends becomes a row."""
    return add(Invoice(**request.get_json()))


def add(invoice: Invoice) -> ResponseReturnValue:
    db.session.add(invoice)
    db.session.commit()
    return jsonify(as_json(invoice)), 201


def as_json(invoice: Invoice) -> dict[str, Any]:
    return {"id": invoice.id, "number": invoice.number, "amount": invoice.amount}


@click.command()
@tenant_option()
def total() -> None:
    """Print what one tenant has invoiced."""
    amount = db.session.scalar(select(func.coalesce(func.sum(Invoice.amount), 0)))
    click.echo(f"{current_tenant.tenant_id} {amount}")
