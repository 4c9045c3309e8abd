"""Customers and invoices of many tenants in one database, with Flask and Flask-SQLAlchemy.

No query mentions a tenant: ``TenantShield`` binds each request to one, and the models are marked
as tenant-aware or shared.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import click
from flask import Blueprint, Flask, abort, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from examples.invoices.attempts import PUBLIC, attempts_json
from examples.invoices.bodies import INVOICE, LARGEST_INTEGER, UNGUARDED, checked
from examples.invoices.models import Currency, Customer, Invoice
from examples.invoices.page import page
from examples.invoices.seed import database_file, seed
from tenantshield_mw import UnguardedStatementError, resolvers
from tenantshield_mw.adapters.flask import TenantShield, current_tenant, tenant_option

from .careless import careless
from .database import db

__all__ = ["create_app"]

START_PAGE: Final = page(
    "Flask, with Flask-SQLAlchemy",
    'TenantShield(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public)',
)

invoices = Blueprint("invoices", __name__)


def create_app() -> Flask:
    """Return the application, with the SQLite file named by ``INVOICES_DATABASE``."""
    database = database_file()
    seed(database)
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{database}"
    db.init_app(app)
    TenantShield(app, resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=is_public)
    app.register_blueprint(invoices)
    app.register_blueprint(careless)
    app.register_error_handler(UnguardedStatementError, not_sent)
    app.cli.add_command(total)
    return app


def is_public(environ: Mapping[str, Any]) -> bool:
    return environ["PATH_INFO"] in PUBLIC


@invoices.get("/")
def start_page() -> ResponseReturnValue:
    return START_PAGE


@invoices.get("/attempts")
def list_attempts() -> ResponseReturnValue:
    return jsonify(attempts_json())


@invoices.get("/currencies")
def list_currencies() -> ResponseReturnValue:
    found = db.session.scalars(select(Currency).order_by(Currency.code))
    return jsonify([each.as_json() for each in found])


@invoices.get("/customers")
def list_customers() -> ResponseReturnValue:
    found = db.session.scalars(select(Customer).order_by(Customer.id))
    return jsonify([each.as_json() for each in found])


@invoices.get("/invoices")
def list_invoices() -> ResponseReturnValue:
    found = db.session.scalars(select(Invoice).order_by(Invoice.id))
    return jsonify([each.as_json() for each in found])


@invoices.post("/invoices")
def create_invoice() -> ResponseReturnValue:
    try:
        values = checked(request.get_json(), INVOICE, all_of=True)
    except ValueError as error:
        abort(422, str(error))
    if db.session.get(Customer, values["customer_id"]) is None:
        abort(422, "There is no such customer.")
    if db.session.get(Currency, values["currency_code"]) is None:
        abort(422, "There is no such currency.")
    invoice = Invoice(**values)
    db.session.add(invoice)
    try:
        db.session.commit()
    except IntegrityError:
        abort(409, "The number is taken.")
    return jsonify(invoice.as_json()), 201


@invoices.get(f"/invoices/<int(max={LARGEST_INTEGER}):invoice_id>")
def get_invoice(invoice_id: int) -> ResponseReturnValue:
    return jsonify(db.get_or_404(Invoice, invoice_id).as_json())


def not_sent(error: UnguardedStatementError) -> ResponseReturnValue:
    return jsonify(UNGUARDED), 500, {"Content-Type": "application/problem+json"}


@click.command()
@tenant_option()
def total() -> None:
    """Print the total of one tenant's invoices."""
    amount = db.session.scalar(select(func.coalesce(func.sum(Invoice.amount), 0)))
    click.echo(f"{current_tenant.tenant_id} {amount}")
