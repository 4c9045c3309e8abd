"""Careless endpoints: each one forgets that there is more than one tenant.

The page attacks them, and you can attack them by hand. Without the guard, every one of them
returns or changes another tenant's rows.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, abort, jsonify, request
from flask.typing import ResponseReturnValue
from sqlalchemy import func, select, text, update

from examples.invoices.models import Customer, Invoice

from .database import db

__all__ = ["careless"]

COLUMNS: Final = (Invoice.id, Invoice.number, Invoice.amount, Invoice.paid)

careless = Blueprint("careless", __name__, url_prefix="/careless")


@careless.get("/by-id/<int:invoice_id>")
def by_id(invoice_id: int) -> ResponseReturnValue:
    """Trust the id in the URL."""
    statement = select(*COLUMNS).where(Invoice.id == invoice_id)
    row = db.session.execute(statement).mappings().one_or_none()
    return abort(404) if row is None else jsonify(dict(row))


# The extension exempts the second path, so that it runs without any tenant.
@careless.get("/all-invoices")
@careless.get("/public")
def all_invoices() -> ResponseReturnValue:
    """Forget the filter."""
    rows = db.session.execute(select(*COLUMNS)).mappings()
    return jsonify([dict(row) for row in rows])


@careless.get("/totals")
def totals() -> ResponseReturnValue:
    """Forget the filter in a join with an aggregate."""
    rows = db.session.execute(
        select(Customer.name, func.sum(Invoice.amount).label("total"))
        .outerjoin(Invoice, Invoice.customer_id == Customer.id)
        .group_by(Customer.name)
    ).mappings()
    return jsonify([dict(row) for row in rows])


@careless.get("/core-select")
def core_select() -> ResponseReturnValue:
    """Bypass the ORM and its session: a Core select on a connection."""
    with db.engine.connect() as connection:
        rows = connection.execute(select(Invoice.__table__)).mappings()
        return jsonify([dict(row) for row in rows])


@careless.get("/raw-sql")
def raw_sql() -> ResponseReturnValue:
    """Bypass SQLAlchemy's constructs as well."""
    rows = db.session.execute(text("SELECT id, number, amount FROM invoice")).mappings()
    return jsonify([dict(row) for row in rows])


@careless.post("/bulk-update")
def bulk_update() -> ResponseReturnValue:
    """Update without a WHERE."""
    db.session.execute(update(Invoice).values(amount=Invoice.amount + 100))
    db.session.commit()
    return "", 204


@careless.post("/create")
def create() -> ResponseReturnValue:
    """Write everything that the client sends, including the tenant."""
    db.session.add(Invoice(**request.get_json()))
    db.session.commit()
    return "", 201


@careless.patch("/change/<int:invoice_id>")
def change(invoice_id: int) -> ResponseReturnValue:
    """Change everything that the client names, including the tenant."""
    invoice = db.get_or_404(Invoice, invoice_id)
    for name, value in request.get_json().items():
        setattr(invoice, name, value)
    db.session.commit()
    return "", 204
