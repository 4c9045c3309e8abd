"""The command ``tenants``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from sqlalchemy import MetaData, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw import TenantDirectory
from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenants_in

from .lives import told


class Base(DeclarativeBase):
    metadata = MetaData()


@shared_across_tenants
class Client(Base):
    __tablename__ = "life_client"
    slug: Mapped[str] = mapped_column(String(60), primary_key=True)
    open: Mapped[bool]
    name: Mapped[str] = mapped_column(String(60))


directory = TenantDirectory(
    tenants_in(
        create_engine("sqlite://"),
        Client,
        id=Client.slug,
        state=Client.open,
        attributes=(Client.name,),
    )
)
TARGET = f"{__name__}:directory"


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path / 'clients.db'}"
    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()
    return url


def test_tenants_come_and_go(url: str) -> None:
    there = ("--url", url)
    assert told("tenants", "list", TARGET, *there) == "\n"
    said = told("tenants", "create", "acme", TARGET, *there, "--set", "name=Acme = A")
    assert said.startswith("acme: created\n")
    assert "acme: suspended\n" in told("tenants", "suspend", "acme", TARGET, *there)
    assert "suspended, as before" in told("tenants", "suspend", "acme", TARGET, *there)
    assert told("tenants", "list", TARGET, *there).splitlines() == [
        "id    state      tenant_id  name",
        "acme  suspended  acme       Acme = A",
    ]
    said = told("tenants", "activate", "acme", TARGET, *there, "--json")
    assert json.loads(said) == {"id": "acme", "is": "active"}
    assert json.loads(told("tenants", "list", TARGET, *there, "--json")) == [
        {"id": "acme", "state": "active", "tenant_id": "acme", "name": "Acme = A"}
    ]


def test_what_is_wrong_is_said(url: str) -> None:
    there = ("--url", url)
    said = told("tenants", "create", "acme", TARGET, *there, "--set", "name", status=2)
    assert "--set name is not COLUMN=VALUE" in said
    assert "there is no tenant" in told("tenants", "suspend", "acme", TARGET, *there, status=2)
    # The lookup's own database has no tables.
    assert "no such table" in told("tenants", "list", TARGET, status=2)
