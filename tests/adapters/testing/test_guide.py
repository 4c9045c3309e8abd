"""docs/testing.md, done as it says, on PostgreSQL with the roles of production."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Database, database
from tests.guides import Reader, blocks_of

PYTEST = (
    *("-m", "pytest", "-q", "-p", "no:cacheprovider"),
    *("-o", "asyncio_default_fixture_loop_scope=function"),
)
ROLES = ("shop_app", "shop_system", "shop_owner")


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
    def url(role: str) -> str:
        return db.url.set(username=role).render_as_string(hide_password=False)

    shutil.copy(Path(__file__).parent / "shop.py", tmp_path)
    reader = Reader(
        tmp_path,
        {"APP_URL": url(ROLES[0]), "OWNER_URL": url(ROLES[2]), "SYSTEM_ROLE": ROLES[1]},
    )
    written = [reader.write(block) for _, block in blocks_of("testing.md")]
    assert written == ["conftest.py", "test_invoices.py", "pytest.ini", "test_sweep.py"]
    return reader


def test_the_page_is_true(reader: Reader, db: Database) -> None:
    assert "4 passed" in reader.python(*PYTEST)
    assert db.read("SELECT 1 FROM pg_class WHERE relname = 'invoice'") == []


def test_a_leak_fails(reader: Reader) -> None:
    shop = reader.folder / "shop.py"
    text = shop.read_text()
    assert "invoice = session.get(Invoice, invoice_id)" in text
    everybodys = 'with system_scope("a mistake"), Session(engine) as session:'
    text = text.replace("with Session(engine) as session:", everybodys)
    text = text.replace("import resolvers", "import resolvers, system_scope")
    shop.write_text(text)
    with pytest.raises(AssertionError, match="2 findings of the sweep") as failed:
        reader.python(*PYTEST, "test_sweep.py")
    assert "read GET /invoices/{invoice_id}: 200, with 'secret-of-acme'" in str(failed.value)
    assert "changed DELETE /invoices/{invoice_id}" in str(failed.value)
