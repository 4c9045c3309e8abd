"""Styles of models that can leave the tenant out. ``make static`` checks the types of this file."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Flask
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import Boolean, Column, MetaData, String, Table, create_engine, insert, select
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    MappedAsDataclass,
    Session,
    mapped_column,
    registry,
)
from sqlalchemy.pool import StaticPool
from sqlmodel import Field, SQLModel
from sqlmodel import Session as SQLModelSession
from sqlmodel import select as sqlmodel_select

from tenantshield_mw import TenantDirectory, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware, tenants_in


class Base(MappedAsDataclass, DeclarativeBase):
    pass


@tenant_aware
class DataclassNote(Base):
    __tablename__ = "style_dataclass"
    id: Mapped[int] = mapped_column(primary_key=True, init=False)
    tenant_id: Mapped[str] = mapped_column(String(20), index=True, init=False)
    body: Mapped[str]


class FlaskBase(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=FlaskBase)

# Flask-SQLAlchemy's version of the base has no type.
if TYPE_CHECKING:
    Model = FlaskBase
else:
    Model = db.Model


@tenant_aware
class FlaskNote(Model):
    __tablename__ = "style_flask"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20), index=True)
    body: Mapped[str]


class Models(SQLModel, registry=registry()):
    """A base of its own, with tables of its own."""

    metadata = MetaData()


@tenant_aware
class SQLModelNote(Models, table=True):
    __tablename__ = "style_sqlmodel"  # pyright: ignore[reportAssignmentType]
    id: int | None = Field(default=None, primary_key=True)
    tenant_id: str = Field(default=None, max_length=20, index=True)
    body: str


plain = registry()


class PlainTenant:
    """Annotated with the types of its values."""

    id: str
    is_active: bool


PLAIN = Table(
    "style_tenant",
    plain.metadata,
    Column("id", String(20), primary_key=True),
    Column("is_active", Boolean),
)
plain.map_imperatively(PlainTenant, PLAIN)
shared_across_tenants(PLAIN)


def test_a_dataclass_leaves_the_tenant_out() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Base.metadata.create_all(engine)
    with tenant_scope("acme"), Session(engine) as session:
        session.add(DataclassNote(body="ours"))
        session.commit()
        assert session.scalars(select(DataclassNote.tenant_id)).all() == ["acme"]


def test_an_sqlmodel_leaves_the_tenant_out() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    Models.metadata.create_all(engine)
    with tenant_scope("acme"), SQLModelSession(engine) as session:
        session.add(SQLModelNote(body="ours"))
        session.commit()
        assert session.exec(sqlmodel_select(SQLModelNote.tenant_id)).all() == ["acme"]
    with tenant_scope("globex"), SQLModelSession(engine) as session:
        assert session.exec(sqlmodel_select(SQLModelNote.tenant_id)).all() == []


def test_a_flask_model_leaves_the_tenant_out() -> None:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = "sqlite://"
    db.init_app(app)
    with app.app_context(), tenant_scope("acme"):
        db.create_all()
        db.session.add(FlaskNote(body="ours"))
        db.session.commit()
        assert db.session.scalars(select(FlaskNote.tenant_id)).all() == ["acme"]


def test_tenants_in_takes_columns_whatever_their_annotation_is() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    plain.metadata.create_all(engine)
    with engine.begin() as connection:
        connection.execute(insert(PLAIN).values(id="acme", is_active=True))
    directory = TenantDirectory(
        tenants_in(engine, PlainTenant, id=PlainTenant.id, state=PlainTenant.is_active)
    )
    found = directory.find("acme", blocking=True)
    assert getattr(found, "tenant_id", None) == "acme"
