"""A Flask application with the notes of two tenants."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import UUID

import pytest
from flask import Blueprint, Flask, Response, jsonify, stream_with_context, url_for
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from werkzeug.test import TestResponse

from tenantshield_mw import resolvers, tenant_scope
from tenantshield_mw.adapters.flask import TenantShield, current_tenant
from tenantshield_mw.adapters.sqlalchemy import tenant_aware


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base)


# Flask-SQLAlchemy's version of the base has no type.
if TYPE_CHECKING:
    Model = Base
else:
    Model = db.Model


@tenant_aware
class Note(Model):
    __tablename__ = "test_flask_note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str]
    body: Mapped[str]


KNOWN = UUID("5b2e1d3c-0f5e-4b0a-8a83-3d8f0b1c2d3e")


def bodies() -> list[str]:
    return [*db.session.scalars(select(Note.body))]


notes = Blueprint("notes", __name__)


@notes.get("/notes")
def list_notes() -> Response:
    return jsonify(bodies())


@notes.get("/forge")
def forge() -> str:
    db.session.add(Note(tenant_id="globex", body="forged"))
    db.session.commit()
    return ""


@notes.get("/tenant")
def tenant() -> Response:
    return jsonify(current_tenant.tenant_id)


@notes.get("/stream")
def stream() -> Response:
    def lines() -> Iterator[str]:
        for body in db.session.scalars(select(Note.body)):
            yield f"{current_tenant.tenant_id}: {body}"

    return Response(stream_with_context(lines()))


@notes.get("/url")
def url() -> str:
    return url_for("notes.list_notes")


def make_app(folder: Path, shield: TenantShield) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder / 'notes.sqlite3'}"
    db.init_app(app)
    shield.init_app(app)
    app.register_blueprint(notes)
    app.register_blueprint(notes, url_prefix="/public", name="public")
    with app.app_context():
        db.create_all()
        for tenant_id, body in (("acme", "ours"), ("globex", "top secret")):
            with tenant_scope(tenant_id):
                db.session.add(Note(body=body))
                db.session.commit()
                db.session.remove()
    return app


@pytest.fixture
def app(tmp_path: Path) -> Iterator[Flask]:
    shield = TenantShield(resolve_tenant=resolvers.header("X-Tenant-ID"), exempt=["/public"])
    app = make_app(tmp_path, shield)
    yield app
    with app.app_context():
        db.engine.dispose()


def problem_code(response: TestResponse) -> str:
    assert response.content_type == "application/problem+json"
    assert response.json is not None
    assert response.json["status"] == response.status_code
    code: str = response.json["code"]
    return code
