"""What ways leave behind is found, wherever it is; with leaks that are planted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import pytest
from sqlalchemy import Engine, ForeignKey, String, create_engine, event
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tenantshield_mw.adapters.sqlalchemy import shared_across_tenants, tenant_aware
from tenantshield_mw.adapters.sqlalchemy.prove import Outcome, prove, ways
from tenantshield_mw.adapters.sqlalchemy.prove.rows import THEIRS
from tenantshield_mw.adapters.sqlalchemy.prove.target import Target
from tenantshield_mw.adapters.sqlalchemy.rls import create_policies
from tests.databases import NAMES, Database, database
from tests.policy_database import PolicyDatabase, policy_database

from .tables import Base, Paper

PLANTED: Final = "planted"


@pytest.fixture(params=NAMES)
def db(request: pytest.FixtureRequest) -> Iterator[Database]:
    with database(request.param) as here:
        yield here


@pytest.fixture
def engine(db: Database) -> Iterator[Engine]:
    engine = create_engine(db.url)
    Base.metadata.create_all(engine)
    yield engine
    engine.dispose()


def plant(monkeypatch: pytest.MonkeyPatch, *statements: str) -> None:
    """Let a write send statements past the guard, with the keys of the other tenant's rows."""

    def run(t: Target) -> None:
        paper, other = t.rows.made[Paper.__table__][THEIRS]  # type: ignore[index]
        firm = t.rows.tenants[THEIRS]
        cursor = t.connection.connection.cursor()
        for each in statements:
            cursor.execute(each.format(paper=paper["id"], other=other["id"], firm=firm))
        cursor.close()

    only(monkeypatch, run)


def only(monkeypatch: pytest.MonkeyPatch, run: Callable[[Target], None]) -> None:
    monkeypatch.setattr(ways, "_READS", {})
    monkeypatch.setattr(ways, "_WRITES", {PLANTED: run})


def planted(engine: Engine) -> dict[str, Outcome]:
    found = prove(engine, Base.metadata, Base.registry.mappers)
    return {each.table: each for each in found if each.way == PLANTED}


@pytest.mark.parametrize(
    ("statement", "detail"),
    [
        ("UPDATE prove_paper SET body = 'x' WHERE id = {paper}", "changed or deleted a row"),
        ("UPDATE prove_paper SET body = 'x' WHERE id = {other}", "changed or deleted a row"),
        ("UPDATE prove_paper SET above_id = id WHERE id = {other}", "changed or deleted a row"),
        ("DELETE FROM prove_paper WHERE id = {paper}", "changed or deleted a row"),
        (
            (
                "INSERT INTO prove_paper SELECT 7, firm_id, tag_id, above_id, 'new', body "
                "FROM prove_paper WHERE id = {paper}"
            ),
            "made a row of prove_paper for the other tenant",
        ),
        (
            "UPDATE prove_paper SET above_id = {paper} WHERE firm_id <> '{firm}'",
            "let a row of prove_paper refer",
        ),
    ],
)
def test_a_change_past_the_guard_is_found_from_each_table(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, statement: str, detail: str
) -> None:
    plant(monkeypatch, statement)
    found = planted(engine)
    # Also where another table was tried.
    assert {*found} == {"prove_firm", "prove_paper"}
    for each in found.values():
        assert each.verdict == "leak"
        assert detail in each.detail


def test_a_change_that_is_undone_or_of_ones_own_rows_is_none(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant(
        monkeypatch,
        "UPDATE prove_paper SET body = 'own' WHERE firm_id <> '{firm}'",
        "UPDATE prove_paper SET body = body WHERE id = {paper}",
    )
    assert {each.verdict for each in planted(engine).values()} == {"n/a"}


SPREAD: Final = "UPDATE prove_firm SET name = upper(name)"
EACH: Final = "CREATE TRIGGER spreads AFTER UPDATE ON prove_paper FOR EACH ROW"
FUNCTION: Final = "CREATE FUNCTION spread() RETURNS trigger LANGUAGE plpgsql AS"
TRIGGERS: Final[dict[str, list[str]]] = {
    "sqlite": [f"{EACH} BEGIN {SPREAD}; END"],
    "postgresql": [
        f"{FUNCTION} $$ BEGIN {SPREAD}; RETURN NULL; END $$",
        f"{EACH} EXECUTE FUNCTION spread()",
    ],
    "mariadb": [f"{EACH} {SPREAD}"],
}


def test_what_a_trigger_does_to_another_table_is_found(db: Database, engine: Engine) -> None:
    db.run(*TRIGGERS[db.name])
    found = prove(engine, Base.metadata, Base.registry.mappers)
    leaks = [each for each in found if each.verdict == "leak" and not each.is_open]
    assert ("prove_paper", "update()") in {(each.table, each.way) for each in leaks}
    assert {each.detail for each in leaks} == {"changed or deleted a row of prove_firm"}


class Shelves(DeclarativeBase):
    pass


@shared_across_tenants
class Shelf(Shelves):
    __tablename__ = "prove_shelf"
    id: Mapped[int] = mapped_column(primary_key=True)


@tenant_aware
class Book(Shelves):
    __tablename__ = "prove_book"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[str] = mapped_column(String(20))
    shelf_id: Mapped[int] = mapped_column(ForeignKey("prove_shelf.id", ondelete="CASCADE"))


def test_what_cascades_from_a_table_that_is_not_compared_is_found(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = create_engine(db.url)
    if db.name == "sqlite":
        event.listen(engine, "connect", lambda c, _: c.execute("PRAGMA foreign_keys = ON"))

    def run(t: Target) -> None:
        t.connection.connection.cursor().execute("DELETE FROM prove_shelf")

    only(monkeypatch, run)
    found = prove(engine, Shelves.metadata, Shelves.registry.mappers)
    assert [each.detail for each in found if each.way == PLANTED] == [
        "changed or deleted a row of prove_book"
    ]
    engine.dispose()


def test_the_drivers_cursor_writes_where_a_policy_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with policy_database() as here:
        assert isinstance(here, PolicyDatabase)
        here.run(f"ALTER ROLE {here.owner} LOGIN")
        owner = create_engine(here.url.set(username=here.owner))

        def run(t: Target) -> None:
            # So that the policies know the scope.
            t.connection.exec_driver_sql("SELECT 1")
            cursor = t.connection.connection.cursor()
            cursor.execute("UPDATE prove_paper SET body = 'x'")
            cursor.close()

        only(monkeypatch, run)
        Base.metadata.create_all(owner)
        with owner.begin() as connection:
            create_policies(connection, Base.metadata)
        here.grant()

        def verdicts() -> set[str]:
            app = create_engine(here.url.set(username=here.app))
            found = prove(app, Base.metadata, (), system_role=here.system)
            app.dispose()
            return {each.verdict for each in found if each.way == PLANTED}

        assert verdicts() == {"confined"}
        here.run("ALTER TABLE prove_paper DISABLE ROW LEVEL SECURITY")
        assert verdicts() == {"leak"}
        owner.dispose()
