"""An application with signed tenants, and what an attacker does with its role."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Final

import psycopg
import pytest
from sqlalchemy.orm import Session

from tenantshield_mw.adapters.sqlalchemy.rls.signing import Backend, Signer

from .conftest import Client, RlsDatabase, by_cursor, signed_database
from .models import Base, mark

__all__ = [
    "KEY",
    "NAMES",
    "app",
    "attacker",
    "base",
    "claim",
    "denied",
    "inject",
    "refused",
    "signed_by_key",
    "stolen",
]

KEY: Final = secrets.token_bytes(32)
SETTINGS: Final = ("text", "integer", "uuid", "signature")
NAMES: Final = 'SELECT name FROM "floor Cellar" ORDER BY 1'


@pytest.fixture(scope="module")
def base() -> Iterator[RlsDatabase]:
    """Return a database with a cellar of each of two tenants."""
    mark()
    with signed_database() as made:
        made.create_signed(Base.metadata, keys=[KEY])
        for number, tenant in enumerate(("acme", "globex"), 1):
            made.here.run(
                f"""INSERT INTO "floor Cellar" VALUES ({number}, '{tenant}', '{tenant}', NULL)"""
            )
        yield made


@pytest.fixture
def app(base: RlsDatabase) -> Iterator[Client]:
    """Return the application, with one connection."""
    made = Client(base, "psycopg", key=KEY, pool_size=1, max_overflow=0)
    yield made
    made.close()


@pytest.fixture
def attacker(base: RlsDatabase) -> Iterator[psycopg.Connection[Any]]:
    """Return a connection of the driver's own as the application's role."""
    url = base.url(base.app).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        yield connection


def claim(connection: Any, tenant: str, signature: str, kind: str = "text") -> None:
    connection.execute("SELECT set_config(%s, %s, true)", [f"tenantshield.{kind}", tenant])
    connection.execute("SELECT set_config('tenantshield.signature', %s, true)", [signature])


def refused(connection: Any, sql: str = NAMES) -> None:
    """Check that no row is found, without an error: that could tell something about the rows."""
    assert connection.execute(sql).fetchall() == []


def denied(connection: Any, sql: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
        connection.execute(sql)


def stolen(session: Session) -> tuple[str, ...]:
    """Return the settings of a transaction, as injected SQL reads them."""
    columns = ", ".join(f"current_setting('tenantshield.{each}', true)" for each in SETTINGS)
    [row] = by_cursor(session, f"SELECT {columns}")
    return row


def inject(session: Session, sql: str) -> list[Any]:
    return [value for (value, *_) in by_cursor(session, sql)]


def signed_by_key(connection: Any, tenant: str, seconds: int, **changed: Any) -> str:
    """Return a signature with the right key, for a start that is ``seconds`` after the real one."""
    [(pid, database, user, start)] = connection.execute(
        "SELECT pg_backend_pid(), current_database(), session_user, "
        "(extract(epoch FROM now()) * 1000000)::bigint"
    ).fetchall()
    backend = replace(Backend(pid, database, user, "none"), **changed)
    return Signer(KEY).sign(backend, start + seconds * 1_000_000, (tenant, "", ""))
