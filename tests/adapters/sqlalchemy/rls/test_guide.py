"""docs/postgresql.md, executed from the first to the last line on a real database."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.databases import Database, database
from tests.guides import Reader, blocks_of

ROLES: Final = ("shop_app", "shop_system", "shop_owner", "shop_reports")

# The expected results of each file.
CHECKS: Final = {
    "use.py": """
import psycopg
from sqlalchemy import text
from tenantshield_mw import ConfigurationError

def refused(what, scope):
    try:
        with scope:
            what()
    except ConfigurationError:
        return True
    return False

def autocommit():
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        return connection.execute(text("SELECT 1")).all()

assert refused(autocommit, tenant_scope("acme"))
assert refused(autocommit, system_scope("x"))
assert autocommit() == [(1,)]
raw = engine.raw_connection()
with tenant_scope("acme"):
    assert raw.cursor().execute("SELECT * FROM invoice").fetchall() == []
raw.close()
with tenant_scope("acme"), engine.connect() as connection:
    try:
        connection.connection.cursor().execute("TRUNCATE invoice")
    except psycopg.errors.InsufficientPrivilege:
        pass
    else:
        raise AssertionError("TRUNCATE is allowed")
engine.dispose()
""",
    "jobs.py": """
import psycopg
from database import engine

with system_scope("x"):
    try:
        with engine.connect() as connection:
            connection.execute(select(Invoice))
    except Exception as error:
        assert "shop_system" in str(error), error
    else:
        raise AssertionError("the role is still there to take on")
engine.dispose()
""",
    "pooled.py": """
import asyncio
from sqlalchemy import func, select
from models import Invoice
from tenantshield_mw import tenant_scope

count = select(func.count()).select_from(Invoice)

async def by_name(tenant):
    with tenant_scope(tenant):
        async with by_asyncpg.connect() as connection:
            return (await connection.execute(count)).scalar_one()

for tenant, expected in (("acme", 1), ("globex", 0)):
    with tenant_scope(tenant), by_psycopg.connect() as connection:
        assert connection.execute(count).scalar_one() == expected
    assert asyncio.run(by_name(tenant)) == expected
by_psycopg.dispose()
""",
    "signed.py": """
with tenant_scope("acme"), signing.begin() as connection:
    cursor = connection.connection.cursor()
    cursor.execute("SELECT * FROM invoice")
    assert cursor.fetchall()
    cursor.execute("SELECT set_config('tenantshield.signature', '', true)")
    cursor.execute("SELECT * FROM invoice")
    assert cursor.fetchall() == []
signing.dispose()
""",
}


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        yield here
        for role in ROLES:
            if here.read("SELECT 1 FROM pg_roles WHERE rolname = %s", [role]):
                here.run(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


def test_the_guide_does_what_it_says(db: Database, tmp_path: Path) -> None:
    reader = Reader(
        tmp_path,
        {
            name: db.url.set(username=role).render_as_string(hide_password=False)
            for name, role in zip(("APP_URL", "SYSTEM_URL", "OWNER_URL"), ROLES, strict=False)
        }
        | {"TENANT_KEY": base64.b64encode(secrets.token_bytes(32)).decode()},
    )
    ran = []
    for language, block in blocks_of("postgresql.md"):
        if language == "sql":
            db.run(block.replace("DATABASE shop ", f"DATABASE {db.url.database} "))
        else:
            ran.append(reader.write(block))
            reader.python("-c", block + CHECKS.get(ran[-1], ""))
    assert ran == [
        "models.py",
        "tables.py",
        "policies.py",
        "database.py",
        "use.py",
        "jobs.py",
        "pooled.py",
        "signed.py",
    ]
