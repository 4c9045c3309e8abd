"""``tenantshield-mw prove``: on the examples' models, on others, and with planted leaks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, String, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import UserDefinedType

from examples.invoices.models import Base as Invoices
from tenantshield_mw import ConfigurationError
from tenantshield_mw.adapters.sqlalchemy import tenant_aware
from tenantshield_mw.adapters.sqlalchemy.prove import Outcome, prove
from tenantshield_mw.adapters.sqlalchemy.rls import create_policies
from tests.commands import ROOT
from tests.databases import NAMES, Database, database
from tests.policy_database import PolicyDatabase, policy_database

CURSOR = "cursor.execute(SELECT)"


def leaks(found: list[Outcome]) -> list[tuple[str, str]]:
    return [
        (each.table, each.way)
        for each in found
        if each.verdict in ("leak", "error") and not each.is_open
    ]


@pytest.fixture(params=NAMES)
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database(request.param) as here:
        yield here


def test_the_examples_models_are_tight(db: Database) -> None:
    engine = create_engine(db.url)
    found = prove(engine, Invoices.metadata, Invoices.registry.mappers)
    assert leaks(found) == []
    verdicts = {(each.way, each.verdict) for each in found if each.table == "invoice"}
    assert {("select()", "confined"), ("text(SELECT)", "refused")} <= verdicts
    assert {("Session.get()", "confined"), ("insert(their tenant)", "refused")} <= verdicts
    assert {("insert(customer_id of theirs)", "refused"), (CURSOR, "leak")} <= verdicts
    assert {each.table for each in found} == {"customer", "invoice"}
    # Nothing is left, so it can be run again.
    assert prove(engine, Invoices.metadata, Invoices.registry.mappers) == found
    engine.dispose()


def test_it_wants_no_rows_and_all_tables_or_none(db: Database) -> None:
    engine = create_engine(db.url)
    customer: Any = Invoices.metadata.tables["customer"]
    customer.create(engine)
    with pytest.raises(ConfigurationError, match="has some of the tables"):
        prove(engine, Invoices.metadata)
    Invoices.metadata.create_all(engine)
    assert leaks(prove(engine, Invoices.metadata, Invoices.registry.mappers)) == []
    db.run("INSERT INTO customer (id, tenant_id, name) VALUES (1, 'a', 'b')")
    with pytest.raises(ConfigurationError, match="customer has rows"):
        prove(engine, Invoices.metadata)
    engine.dispose()


class Strange(UserDefinedType[Any]):
    cache_ok = True

    def get_col_spec(self, **kw: Any) -> str:
        return "TEXT"


class Odd(DeclarativeBase):
    pass


@tenant_aware
class Told(Odd):
    __tablename__ = "prove_told"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(4))
    strange: Mapped[Any] = mapped_column(Strange)


class Undeclared(Odd):
    __tablename__ = "prove_undeclared"
    id: Mapped[int] = mapped_column(primary_key=True)
    secret: Mapped[str]


def test_what_cannot_be_tried_is_no_success() -> None:
    engine = create_engine("sqlite://")
    found = prove(engine, Odd.metadata, Odd.registry.mappers)
    assert [(each.table, each.way, each.verdict) for each in found] == [
        ("prove_told", "", "error"),
        ("prove_undeclared", "", "leak"),
    ]
    assert "strange is a Strange()" in found[0].detail
    assert "it is not declared" in found[1].detail
    engine.dispose()


# -- policies ------------------------------------------------------------------------


@pytest.fixture
def policies() -> Iterator[PolicyDatabase]:
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        here.run(f"ALTER ROLE {here.owner} LOGIN")
        yield here


def engines(policies: PolicyDatabase) -> tuple[Engine, Engine]:
    app, owner = (
        create_engine(policies.url.set(username=role)) for role in (policies.app, policies.owner)
    )
    return app, owner


def test_policies_close_the_way_of_the_cursor(policies: PolicyDatabase) -> None:
    app, owner = engines(policies)
    options: Any = {"owner": owner, "system_role": policies.system}
    Invoices.metadata.create_all(owner)
    with owner.begin() as connection:
        create_policies(connection, Invoices.metadata)
    policies.grant()
    found = prove(app, Invoices.metadata, Invoices.registry.mappers, **options)
    assert leaks(found) == []
    assert (CURSOR, "confined") in {(each.way, each.verdict) for each in found}
    app.dispose()
    owner.dispose()


def test_a_policy_that_is_missing_is_found(policies: PolicyDatabase) -> None:
    app, owner = engines(policies)
    Invoices.metadata.create_all(owner)
    with owner.begin() as connection:
        create_policies(connection, Invoices.metadata)
    policies.grant()
    policies.run("ALTER TABLE customer DISABLE ROW LEVEL SECURITY")
    found = prove(app, Invoices.metadata, (), system_role=policies.system)
    assert leaks(found) == [("customer", CURSOR)]
    app.dispose()
    owner.dispose()


# -- the command ----------------------------------------------------------------------

MODELS = """
from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import observe, tenant_aware


class Base(DeclarativeBase):
    pass


@tenant_aware
class Note(Base):
    __tablename__ = "note"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(String(20))


class Line(Base):
    __tablename__ = "line"
    id: Mapped[int] = mapped_column(primary_key=True)
    note_id: Mapped[int] = mapped_column(ForeignKey("note.id"))
    text: Mapped[str] = mapped_column(String(20))
"""


def command(folder: Path, *arguments: str, models: str = MODELS) -> tuple[int, str, str]:
    (folder / "models.py").write_text(models)
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "tenantshield_mw.adapters.command"),
            *("prove", "models:Base", *arguments),
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def test_the_command_prints_a_table(tmp_path: Path) -> None:
    status, printed, errors = command(tmp_path)
    assert (status, errors) == (0, "")
    lines = printed.splitlines()
    assert lines[0] == "| table | leak | refused | confined | error | n/a |"
    assert [line.split(" | ")[:2] for line in lines[2:5]] == [
        ["| note", "0"],
        ["| line", "0"],
        ["| all", "0"],
    ]
    assert "The driver's own cursor reaches the rows of 2 tables" in lines[-1]


def test_what_leaks_fails_the_command(tmp_path: Path) -> None:
    observed = MODELS + "\nobserve(Note)\n"
    status, printed, _ = command(tmp_path, models=observed)
    assert status == 1
    assert "LEAK select():note: returned 20" in printed
    assert "LEAK delete():note: changed or deleted a row of note" in printed
    assert "LEAK insert(their tenant):note: made a row of note for the other tenant" in printed


def test_what_was_reviewed_can_be_left_out(tmp_path: Path) -> None:
    undeclared = MODELS.replace('ForeignKey("note.id")', "")
    status, printed, _ = command(tmp_path, models=undeclared)
    assert status == 1
    assert "LEAK line: it is not declared" in printed
    status, printed, errors = command(
        tmp_path, "--ignore", "line", "--ignore", "other", models=undeclared
    )
    assert (status, errors) == (0, "--ignore other matched nothing: remove it.\n")
    assert "line" not in printed


def test_json_has_everything(tmp_path: Path) -> None:
    status, printed, _ = command(tmp_path, "--json")
    assert status == 0
    outcomes = [Outcome(**each) for each in json.loads(printed)]
    assert {each.table for each in outcomes} == {"note", "line"}


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("sqlite+aiosqlite://", "names an async driver"),
        ("no url", "not a URL"),
        ("postgresql+psycopg://nobody:secret@127.0.0.1:1/none", "could not use"),
    ],
)
def test_a_database_that_cannot_be_used_is_said(tmp_path: Path, url: str, message: str) -> None:
    status, _, errors = command(tmp_path, "--database", url)
    assert status == 2
    assert message in errors
    assert "secret" not in errors
