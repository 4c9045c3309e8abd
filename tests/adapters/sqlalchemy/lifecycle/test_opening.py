"""The database, the tables and the tenant of a command."""

from __future__ import annotations

import base64
import secrets
from pathlib import Path

import pytest
from sqlalchemy import MetaData, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from tenantshield_mw import system_scope, tenant_scope
from tenantshield_mw.adapters.sqlalchemy import rls, tenant_aware
from tests.databases import Database
from tests.policy_database import PolicyDatabase, policy_database

from .lives import TARGET, contents, home, settle, told


class Base(DeclarativeBase):
    metadata = MetaData()


@tenant_aware
class Entry(Base):
    __tablename__ = "life_entry"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column()
    text: Mapped[str] = mapped_column(String(20))


rls.configure(Base.metadata, signed=True)
SIGNED = f"{__name__}:Base"


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite+aiosqlite://", "names an async driver"),
        ("no url", "not a URL"),
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", "could not use"),
        ("sqlite://", "no such table"),
    ],
)
def test_a_database_that_cannot_be_used_is_said(url: str, message: str) -> None:
    said = told("erase", "acme", TARGET, "--url", url, status=2)
    assert message in said
    assert "secret" not in said


def test_a_tenant_of_another_type_is_said() -> None:
    assert "the tenant is no int" in told("erase", "acme", SIGNED, "--url", "sqlite://", status=2)
    said = told("erase", " ", TARGET, "--url", "sqlite://", status=2)
    assert "begins or ends with white space" in said


def test_under_policies_without_rows_the_tenant_is_told_to_the_database() -> None:
    with home("policies") as here:
        settle(here.engine, "acme")
        assert "life_person            4" in told("erase", "acme", TARGET, "--url", here.url)


def test_signed_tenants_need_the_key(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    key = secrets.token_bytes(32)
    with policy_database() as made:
        assert isinstance(made, PolicyDatabase)
        creator = Database.engine(made)
        with system_scope("create"), creator.begin() as connection:
            Base.metadata.create_all(connection)
            rls.create_policies(connection, Base.metadata)
            rls.store_keys(connection, [key])
        creator.dispose()
        made.run(f"ALTER TABLE life_entry OWNER TO {made.owner}")
        made.grant()
        engine = create_engine(made.url.set(username=made.app))
        rls.enforce(engine, key=key)
        for tenant in (1, 2):
            with tenant_scope(tenant), Session(engine) as session:
                session.add(Entry(text=f"of {tenant}"))
                session.commit()
        engine.dispose()
        url = ("--url", engine.url.render_as_string(hide_password=False))
        assert "signed tenants only" in told("erase", "1", SIGNED, *url, status=2)
        keyed = (*url, "--key", "LIFE_KEY")
        assert "no environment variable LIFE_KEY" in told("erase", "1", SIGNED, *keyed, status=2)
        monkeypatch.setenv("LIFE_KEY", "?")
        assert "LIFE_KEY is not base64" in told("erase", "1", SIGNED, *keyed, status=2)
        monkeypatch.setenv("LIFE_KEY", base64.b64encode(key).decode())
        out = str(tmp_path / "out")
        told("export", "1", SIGNED, *keyed, "--out", out)
        told("erase", "1", SIGNED, *keyed, "--confirm", "1")
        assert contents(made, Base.metadata)["life_entry"] == [(2, 2, "of 2")]
        told("import", out, SIGNED, *keyed)
        assert contents(made, Base.metadata)["life_entry"] == [(1, 1, "of 1"), (2, 2, "of 2")]
