"""docs/migrations.md, executed from the first to the last line on a real database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import Database, database
from tests.guides import Reader, blocks_of

BLOCKS = blocks_of("migrations.md")

BEFORE = (
    "INSERT INTO customer (name) VALUES ('Ada'), ('Grace')",
    "INSERT INTO invoice (customer_id, amount) VALUES (1, 10), (2, 20)",
    "INSERT INTO invoice_line (invoice_id, text) VALUES (1, 'one')",
)

APPLICATION = """
from sqlalchemy import select
from sqlalchemy.orm import Session
from database import engine
from models import Customer, Invoice, InvoiceLine
from tenantshield_mw import tenant_scope

with tenant_scope("globex"), Session(engine) as session:
    session.add(Customer(id=7, name="Hedy"))
    session.commit()
    assert [each.name for each in session.scalars(select(Customer))] == ["Hedy"]
    cursor = session.connection().connection.cursor()
    for table, rows in (("customer", 1), ("invoice", 0), ("invoice_line", 0)):
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (rows,), table
with tenant_scope("acme"), Session(engine) as session:
    cursor = session.connection().connection.cursor()
    for table, rows in (("customer", 3), ("invoice", 2), ("invoice_line", 1)):
        cursor.execute(f"SELECT count(*) FROM {table}")
        assert cursor.fetchone() == (rows,), table
"""


@pytest.fixture
def db() -> Iterator[Database]:
    with database("postgresql") as here:
        yield here
        if here.read("SELECT 1 FROM pg_roles WHERE rolname = 'shop_app'"):
            here.run("DROP OWNED BY shop_app", "DROP ROLE shop_app")


class Migrating(Reader):
    """Follows the guide, block by block."""

    def __init__(self, folder: Path, db: Database) -> None:
        self._db = db
        super().__init__(
            folder,
            {
                name: url.render_as_string(hide_password=False)
                for name, url in (
                    ("MIGRATIONS_URL", db.url),
                    ("DATABASE_URL", db.url.set(username="shop_app")),
                )
            },
        )

    def shell(self, command: str) -> None:
        program, *arguments = command.replace('"', "").split()
        if program == "alembic":
            self.python("-m", "alembic", *arguments)

    def follow(self, language: str, block: str) -> str | None:
        """Execute one block, or write it to a file; return the name of the file."""
        if language == "sh":
            for command in block.splitlines():
                self.shell(command)
        elif language == "sql":
            self._db.run(block)
        elif block.startswith("# "):
            return self.write(block)
        return None


def test_the_guide_leads_to_the_guard_and_the_policies(db: Database, tmp_path: Path) -> None:
    reader = Migrating(tmp_path, db)
    assert len(BLOCKS) >= 10
    seen: list[str | None] = []
    for language, block in BLOCKS:
        name = reader.follow(language, block)
        if name == "models.py" and "models.py" not in seen:
            reader.python("-c", CREATE)
            db.run(*BEFORE)
        elif language == "sh" and seen[-1:] == ["migrations/versions/0001_tenants.py"]:
            # The old application still writes.
            db.run("INSERT INTO customer (name) VALUES ('Late')")
            assert db.read("SELECT DISTINCT tenant_id FROM customer") == [("acme",)]
            assert db.read("SELECT DISTINCT tenant_id FROM invoice") == [("acme",)]
        seen.append(name)
    assert "migrations/versions/0002_no_default.py" in seen
    db.run("SELECT setval('customer_id_seq', 100)")
    reader.python("-c", APPLICATION)
    reader.python("startup.py")
    # And the complete downgrade.
    reader.shell("alembic downgrade base")
    assert db.read("SELECT count(*) FROM pg_policy") == [(0,)]
    assert db.read("SELECT count(*) FROM customer") == [(4,)]
    assert not db.read(
        "SELECT 1 FROM information_schema.columns WHERE table_name IN ('customer', 'invoice') "
        "AND column_name = 'tenant_id'"
    )


CREATE = """
import os
from sqlalchemy import create_engine
from models import Base
Base.metadata.create_all(create_engine(os.environ["MIGRATIONS_URL"]))
"""


def test_the_guide_matches_the_generated_statements(db: Database, tmp_path: Path) -> None:
    reader = Migrating(tmp_path, db)
    for language, block in BLOCKS:
        if language != "sh" or block.startswith("pip"):
            reader.follow(language, block)
    script = reader.python("-m", "alembic", "upgrade", "head", "--sql")
    assert "CREATE UNIQUE INDEX CONCURRENTLY" in script
    assert "VALIDATE CONSTRAINT" in script
