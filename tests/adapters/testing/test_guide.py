"""docs/testing.md, done as it says, next to the files of the ten-minute page: on SQLite, on
PostgreSQL with the roles of production, and with an async engine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.commands import ROOT
from tests.databases import Database, database
from tests.docs.following import blocks_in
from tests.guides import Reader, blocks_of

PYTEST: Final = (
    *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)
ROLES: Final = ("shop_app", "shop_system", "shop_owner")

SQLITE: Final = 'engine = create_engine("sqlite:///shop.db")\n'
POSTGRESQL: Final = """
import os
from tenantshield_mw.adapters.sqlalchemy import rls
engine = create_engine(os.environ["APP_URL"])
rls.enforce(engine, system_role=os.environ["SYSTEM_ROLE"])
"""
AIOSQLITE: Final = """
from sqlalchemy.ext.asyncio import create_async_engine
engine = create_async_engine("sqlite+aiosqlite:///shop.db")
"""

DELETE: Final = """

@app.delete("/invoices/{invoice_id}")
def delete_invoice(invoice_id: int, session: SessionDep) -> None:
    invoice = session.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(404)
    session.delete(invoice)
    session.commit()
"""

AN_ASYNC_SHOP: Final = """
from fastapi import FastAPI, HTTPException
from sqlalchemy.ext.asyncio import AsyncSession

from models import Invoice, engine
from tenantshield_mw import resolvers
from tenantshield_mw.adapters.starlette import install

app = FastAPI(openapi_url=None)
install(app, resolve_tenant=resolvers.header("X-Tenant-ID"))


@app.get("/invoices/{invoice_id}")
async def get_invoice(invoice_id: int) -> int:
    async with AsyncSession(engine) as session:
        invoice = await session.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(404)
    return invoice.total
"""

THE_OPERATION: Final = "    invoice = session.get(Invoice, invoice_id)\n"
A_LEAK: Final = f"""    from tenantshield_mw import system_scope
    with system_scope("a mistake"):
    {THE_OPERATION}"""


def files_of_the_page() -> list[tuple[str, str]]:
    """Return each file of the page, by its first line, with its text."""
    blocks = [block for _, block in blocks_of("testing.md")]
    return [(each.partition("\n")[0].removeprefix("# "), each) for each in blocks]


def write(reader: Reader, engine: str, *, shop: str | None = None) -> None:
    """Write the files of the ten-minute page, with another engine, and those of this page."""
    blocks = blocks_in(ROOT / "docs" / "start" / "fastapi.md")
    files = {each.file: each.code for each in blocks if each.file}
    assert files["models.py"].count(SQLITE) == 1
    files["models.py"] = files["models.py"].replace(SQLITE, engine)
    (reader.folder / "models.py").write_text(files["models.py"])
    (reader.folder / "shop.py").write_text(shop or files["shop.py"])
    for name, text in files_of_the_page():
        if not name.startswith("conftest.py, "):
            (reader.folder / name).write_text(text)


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        here.run(
            "CREATE ROLE shop_owner LOGIN",
            "CREATE ROLE shop_system BYPASSRLS",
            "CREATE ROLE shop_app LOGIN NOINHERIT",
            "GRANT shop_owner TO shop_system",
            "GRANT shop_system TO shop_app",
            "GRANT ALL ON SCHEMA public TO shop_owner",
        )
        yield here
        for role in ROLES:
            here.run(f"DROP OWNED BY {role} CASCADE", f"DROP ROLE {role}")


@pytest.fixture
def reader(db: Database, tmp_path: Path) -> Reader:
    """A reader of the page on PostgreSQL, whose application deletes, too."""

    def url(role: str) -> str:
        return db.url.set(username=role).render_as_string(hide_password=False)

    reader = Reader(
        tmp_path,
        {"APP_URL": url(ROLES[0]), "OWNER_URL": url(ROLES[2]), "SYSTEM_ROLE": ROLES[1]},
    )
    write(reader, POSTGRESQL)
    files = dict(files_of_the_page())
    with (tmp_path / "conftest.py").open("a") as conftest:
        conftest.write(files["conftest.py, on PostgreSQL"])
    with (tmp_path / "shop.py").open("a") as shop:
        shop.write(DELETE)
    return reader


def test_the_page_has_the_files_that_are_tried_here() -> None:
    assert [name for name, _ in files_of_the_page()] == [
        "conftest.py",
        "conftest.py, on PostgreSQL",
        "test_invoices.py",
        "test_invoices_async.py",
        "pytest.ini",
        "test_sweep.py",
        "test_async_sweep.py",
    ]


def test_the_page_is_true_next_to_the_ten_minute_page(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {})
    write(reader, SQLITE)
    assert "4 passed" in reader.python(*PYTEST, "test_invoices.py", "test_sweep.py")


def test_the_page_is_true_on_postgresql(reader: Reader, db: Database) -> None:
    assert "4 passed" in reader.python(*PYTEST, "test_invoices.py", "test_sweep.py")
    assert db.read("SELECT 1 FROM pg_class WHERE relname = 'invoice'") == []


def test_a_second_sweep_of_the_same_database_finds_the_same(reader: Reader) -> None:
    sweep = reader.folder / "test_sweep.py"
    again = "def test_a_second(tenantshield_database, tenantshield_sweep):\n"
    again += (
        "    test_no_operation_reaches_another_tenant(tenantshield_database, tenantshield_sweep)\n"
    )
    sweep.write_text(f"{sweep.read_text()}\n{again}")
    assert "2 passed" in reader.python(*PYTEST, "test_sweep.py")


def test_the_page_is_true_for_an_async_application(tmp_path: Path) -> None:
    reader = Reader(tmp_path, {})
    write(reader, AIOSQLITE, shop=AN_ASYNC_SHOP)
    assert "2 passed" in reader.python(*PYTEST, "test_async_sweep.py", "test_invoices_async.py")
    text = AN_ASYNC_SHOP.replace("import resolvers", "import resolvers, system_scope")
    text = text.replace(
        "        invoice = await",
        '        with system_scope("a mistake"):\n            invoice = await',
    )
    (tmp_path / "shop.py").write_text(text)
    with pytest.raises(AssertionError, match="read GET /invoices/"):
        reader.python(*PYTEST, "test_async_sweep.py")


def test_a_leak_fails(reader: Reader) -> None:
    shop = reader.folder / "shop.py"
    text = shop.read_text()
    assert text.count(THE_OPERATION) == 2
    shop.write_text(text.replace(THE_OPERATION, A_LEAK))
    with pytest.raises(AssertionError, match="findings of the sweep") as failed:
        reader.python(*PYTEST, "test_sweep.py")
    assert "read GET /invoices/{invoice_id}: 200, with '710000001'" in str(failed.value)
    assert "DELETE /invoices/{invoice_id}" in str(failed.value)
